package record

import (
	"context"
	"strings"

	"github.com/svcpath/svcpath/parsers/bundle"
)

// proxyModeURL is where kube-proxy says its mode (cmd/kube-proxy/app/server.go,
// serveMetrics), unless its metricsBindAddress was changed.
const proxyModeURL = "http://127.0.0.1:10249/proxyMode"

// sysctls change what becomes of packets.
var sysctls = []string{
	"net.bridge.bridge-nf-call-ip6tables", "net.bridge.bridge-nf-call-iptables",
	"net.ipv4.conf.all.route_localnet", "net.ipv4.conf.all.rp_filter", "net.ipv4.conf.default.rp_filter",
	"net.ipv4.ip_forward", "net.ipv4.vs.conn_reuse_mode", "net.ipv4.vs.conntrack", "net.ipv4.vs.expire_nodest_conn",
	"net.ipv6.conf.all.forwarding", "net.netfilter.nf_conntrack_tcp_be_liberal",
}

// hostFiles are read to say which machine was recorded.
var hostFiles = append([]string{
	"/proc/sys/kernel/hostname", "/proc/sys/kernel/osrelease", "/etc/os-release",
	"/proc/self/ns/net", "/proc/1/ns/net",
}, sysctlFiles()...)

func sysctlFiles() (files []string) {
	for _, name := range sysctls {
		files = append(files, "/proc/sys/"+strings.ReplaceAll(name, ".", "/"))
	}
	return files
}

// host asks which machine this is. What it does not tell is left out.
func (r Recording) host(ctx context.Context) bundle.Host {
	read := func(name string) string {
		text, _, err := r.Machine.ReadFile(name, smallLimit)
		if err != nil {
			return ""
		}
		return strings.TrimSpace(text)
	}
	h := bundle.Host{
		Hostname: read("/proc/sys/kernel/hostname"), Kernel: read("/proc/sys/kernel/osrelease"),
		Platform: r.Machine.Platform(), UserID: r.Machine.UserID(),
	}
	for line := range strings.Lines(read("/etc/os-release")) {
		if value, ok := strings.CutPrefix(line, "PRETTY_NAME="); ok {
			h.OS = strings.Trim(strings.TrimSpace(value), `"'`)
		}
	}
	h.NetworkNamespace, _ = r.Machine.Readlink("/proc/self/ns/net")
	h.FirstNamespace, _ = r.Machine.Readlink("/proc/1/ns/net")
	for i, file := range sysctlFiles() {
		if value := read(file); value != "" {
			if h.Sysctls == nil {
				h.Sysctls = map[string]string{}
			}
			h.Sysctls[sysctls[i]] = value
		}
	}
	r.say("get " + proxyModeURL)
	ctx, cancel := context.WithTimeout(ctx, httpTimeout)
	defer cancel()
	if mode, err := r.Machine.Get(ctx, proxyModeURL, smallLimit); err == nil && isWord(mode) {
		h.KubeProxyMode = mode
	}
	return h
}

// isWord tells a mode from whatever else a server may answer.
func isWord(s string) bool {
	return s != "" && len(s) <= 32 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz") == ""
}

// tools asks programs for their versions.
func (r Recording) tools(ctx context.Context) (list []bundle.Tool) {
	for _, command := range tools {
		r.say(strings.Join(command, " "))
		ctx, cancel := context.WithTimeout(ctx, r.Timeout)
		out := r.Machine.Run(ctx, command, smallLimit)
		cancel()
		tool := bundle.Tool{Name: command[0], Path: out.Path}
		tool.Version, _, _ = strings.Cut(strings.TrimSpace(out.Text+out.Stderr), "\n")
		if out.Err != nil {
			tool.Version = ""
			_, tool.Error = status(out.Err, out.Stderr)
		}
		list = append(list, tool)
	}
	return list
}
