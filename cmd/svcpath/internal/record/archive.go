package record

import (
	"archive/tar"
	"fmt"
	"io"
	"time"

	"github.com/klauspost/compress/gzip"
)

// directory is where a bundle's files unpack to.
const directory = "node/"

// An archive is a bundle that is being written.
type archive struct {
	zip  *gzip.Writer
	tar  *tar.Writer
	time time.Time
}

func newArchive(w io.Writer, t time.Time) *archive {
	zip := gzip.NewWriter(w)
	return &archive{zip: zip, tar: tar.NewWriter(zip), time: t.UTC().Truncate(time.Second)}
}

func (a *archive) add(name, text string) error {
	err := a.tar.WriteHeader(&tar.Header{
		Name: directory + name, Typeflag: tar.TypeReg, Mode: 0o600, Size: int64(len(text)), ModTime: a.time, Format: tar.FormatUSTAR,
	})
	if err == nil {
		_, err = io.WriteString(a.tar, text)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", name, err)
	}
	return nil
}

func (a *archive) close() error {
	if err := a.tar.Close(); err != nil {
		return err
	}
	return a.zip.Close()
}
