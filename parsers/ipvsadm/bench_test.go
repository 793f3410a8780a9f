package ipvsadm_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/svcpath/svcpath/analyzer/ipvs"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/ipvsadm"
)

// large is a save of so many services, each a cluster IP and a node port on two
// addresses, with so many real servers.
func large(services, servers int) string {
	var b bytes.Buffer
	for i := range services {
		for _, v := range []string{
			fmt.Sprintf("10.%d.%d.%d:80", 96+i>>16, i>>8&255, i&255), fmt.Sprintf("172.18.0.3:%d", 20000+i), fmt.Sprintf("10.244.1.1:%d", 20000+i),
		} {
			fmt.Fprintf(&b, "-A -t %s -s rr\n", v)
			for k := range servers {
				n := i*servers + k
				fmt.Fprintf(&b, "-a -t %s -r 10.%d.%d.%d:8080 -m -w 1\n", v, 128+n>>16, n>>8&255, n&255)
			}
		}
	}
	return b.String()
}

func BenchmarkParseSave(b *testing.B) {
	f := file(large(10_000, 10))
	b.SetBytes(int64(len(f.Text)))
	b.ReportAllocs()
	for b.Loop() {
		t, _ := ipvsadm.ParseSave(source.Start(f), nil)
		if t.Table.NumRealServers() != 300_000 || len(t.Diagnostics) > 0 {
			b.Fatal(t.Table.NumRealServers(), t.Diagnostics)
		}
	}
}

// A table takes less than twice the memory of its text.
func TestTableIsSmall(t *testing.T) {
	f := file(large(2_000, 10))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	parsed, _ := ipvsadm.ParseSave(source.Start(f), nil)
	runtime.GC()
	runtime.ReadMemStats(&after)
	if grown := float64(after.HeapAlloc-before.HeapAlloc) / float64(len(f.Text)); grown > 2 {
		t.Errorf("the table takes %.1f times the memory of its text", grown)
	}
	runtime.KeepAlive(parsed)
}

func BenchmarkMerge(b *testing.B) {
	text := large(10_000, 10)
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		one, _ := ipvsadm.ParseSave(source.Start(file(text)), nil)
		two, _ := ipvsadm.ParseSave(source.Start(file(text)), nil)
		b.StartTimer()
		if _, diags := ipvsadm.Merge([]*ipvs.Table{one.Table, two.Table}); len(diags) != 1 {
			b.Fatal(diags)
		}
	}
}
