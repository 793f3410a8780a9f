package capture

import (
	"github.com/svcpath/svcpath/analyzer/snapshot"
	"github.com/svcpath/svcpath/analyzer/source"
	"github.com/svcpath/svcpath/parsers/nftlist"
)

func readNFT(r *reading, at source.Cursor, foreign func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := nftlist.Parse(at, foreign)
	return r.nft(snapshot.NFTList, dump), next
}

func readNFTJSON(r *reading, at source.Cursor, _ func(string) bool) (*snapshot.Source, source.Cursor) {
	dump, next := nftlist.ParseJSON(at)
	return r.nft(snapshot.NFTJSON, dump), next
}

// nft makes a source of nft's tables.
func (r *reading) nft(f snapshot.Format, dump *nftlist.Dump) *snapshot.Source {
	src := &snapshot.Source{Format: f, SkippedLines: dump.Skipped}
	for _, t := range dump.Tables {
		src.Tables = append(src.Tables, t.Name)
		src.Chains += len(t.Chains())
		src.Rules += t.NumRules()
	}
	r.tables = append(r.tables, dump.Tables...)
	r.remarkAll(dump.Diagnostics)
	return src
}
