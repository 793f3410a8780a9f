package capture

import (
	"archive/tar"
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/svcpath/svcpath/analyzer/source"
)

// headSize is how far ahead of a text we look: as far as git does to tell text
// from binary data (xdiff-interface.c, FIRST_FEW_BYTES).
const headSize = 8000

// Formats that files are known by before they are unpacked: never their names.
var (
	gzipMagic = []byte{0x1f, 0x8b}
	zstdMagic = []byte{0x28, 0xb5, 0x2f, 0xfd}
	tarMagic  = []byte("ustar") // at tarOffset, POSIX and GNU

	// otherPackers are told apart only to be named.
	otherPackers = []struct{ magic, name string }{
		{"\xfd7zXZ\x00", "xz"}, {"BZh", "bzip2"}, {"PK\x03\x04", "zip"}, {"7z\xbc\xaf\x27\x1c", "7z"}, {"\x04\x22\x4d\x18", "lz4"},
	}
)

const tarOffset = 257

// content reads one file, unpacking it as often as need be. layers is how many
// are unpacked already; alone says that the file is itself an input.
func (op *opener) content(name string, r io.Reader, layers int, alone bool) {
	if op.exhausted {
		return
	}
	if layers > op.limits.Layers {
		op.fail(name, 0, fmt.Errorf("lies under more than %d layers of compression and archives", op.limits.Layers))
		return
	}
	buffered := bufio.NewReaderSize(r, headSize)
	head, headErr := buffered.Peek(headSize)
	switch {
	case bytes.HasPrefix(head, gzipMagic):
		unzip, err := gzip.NewReader(buffered)
		if err != nil {
			op.fail(name, 0, fmt.Errorf("gzip: %w", err))
			return
		}
		op.content(name, sized{unzip, gzipSize(r)}, layers+1, alone)
		return
	case bytes.HasPrefix(head, zstdMagic):
		// zstd itself refuses larger windows unless asked (zstd(1), --long).
		unzip, err := zstd.NewReader(buffered, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(128<<20))
		if err != nil {
			op.fail(name, 0, fmt.Errorf("zstd: %w", err))
			return
		}
		defer unzip.Close()
		op.content(name, sized{unzip, zstdSize(head)}, layers+1, alone)
		return
	case len(head) > tarOffset && bytes.HasPrefix(head[tarOffset:], tarMagic):
		op.many(name, alone, func() {
			if op.members(name, tar.NewReader(buffered), layers+1) {
				op.behind(name, buffered)
			}
		})
		return
	case len(head) == 0 && headErr != nil && headErr != io.EOF:
		op.fail(name, 0, headErr)
		return
	}
	for _, packer := range otherPackers {
		if bytes.HasPrefix(head, []byte(packer.magic)) {
			op.leaveOut(name, 0, alone, fmt.Sprintf("%s data, which is not unpacked: unpack it first", packer.name))
			return
		}
	}
	if isBinary(head) {
		op.leaveOut(name, 0, alone, "binary data")
		return
	}
	text, err := op.readAll(buffered, sizeOf(r))
	if err != nil && len(text) == 0 {
		op.fail(name, 0, err)
		return
	}
	op.text(name, text, err, alone)
}

// members reads the files of an archive, and reports whether it came to the
// archive's end.
func (op *opener) members(archive string, files *tar.Reader, layers int) bool {
	for number := 1; !op.exhausted; number++ {
		header, err := files.Next()
		switch {
		case err == io.EOF:
			return true
		case err != nil && number == 1:
			op.fail(archive, 0, fmt.Errorf("tar: %w", err))
			return false
		case err != nil:
			op.remark(archive, source.Error, "damaged-file", fmt.Sprintf("the archive is cut short or damaged (%v): only what comes before is analysed", err))
			return false
		}
		member := path.Clean("/" + header.Name)[1:]
		if header.Typeflag != tar.TypeReg || isHidden(member) {
			continue
		}
		name := path.Join(archive, member)
		if !op.takeFile(name) {
			return false
		}
		// What the header says is not to be believed before it is there.
		const most = 64 << 20
		op.content(name, sized{files, min(header.Size, most)}, layers, false)
	}
	return false
}

// behind reads what follows the end of an archive, which is zeros: the sum that
// tells whether the archive is damaged stands behind them.
func (op *opener) behind(archive string, r io.Reader) {
	r = io.LimitReader(r, op.limits.FileBytes)
	piece := make([]byte, headSize)
	for {
		n, err := r.Read(piece)
		switch {
		case len(bytes.Trim(piece[:n], "\x00")) > 0:
			op.remark(archive, source.Error, "damaged-file", "there is more behind the end of the archive, which is not read: another archive perhaps")
			return
		case err == io.EOF:
			return
		case err != nil:
			op.remark(archive, source.Error, "damaged-file", fmt.Sprintf("the archive is damaged, or something else stands behind it (%v): what was read of it may be wrong", err))
			return
		}
	}
}

// A sized reader says how much is likely to come of it.
type sized struct {
	io.Reader
	size int64
}

// sizeOf is how much is likely to come of a reader, 0 if that cannot be told.
func sizeOf(r io.Reader) int64 {
	switch r := r.(type) {
	case sized:
		return r.size
	case fs.File:
		if info, err := r.Stat(); err == nil && info.Mode().IsRegular() {
			return info.Size()
		}
	}
	return 0
}

// gzipSize is the length that a gzip file gives at its end (RFC 1952, ISIZE),
// as far as it is credible: text that is all alike shrinks to a hundredth.
func gzipSize(r io.Reader) int64 {
	file, ok := r.(io.ReaderAt)
	size := sizeOf(r)
	var end [4]byte
	if !ok || size < int64(len(end)) {
		return 0
	}
	if _, err := file.ReadAt(end[:], size-int64(len(end))); err != nil {
		return 0
	}
	return min(int64(binary.LittleEndian.Uint32(end[:])), 100*size)
}

// zstdSize is the length that a zstd frame gives at its beginning.
func zstdSize(head []byte) int64 {
	var header zstd.Header
	if err := header.Decode(head); err != nil || !header.HasFCS {
		return 0
	}
	const most = 1 << 30
	return int64(min(header.FrameContentSize, most))
}

// pieceSize is how much of a text is read at once: as much as stays in the
// processor's cache until it is copied.
const pieceSize = 128 << 10

// readAll reads a whole text into memory, in one piece where its size is known.
// With an error comes what was read before it, but nothing of a text that is
// larger than the limits allow.
func (op *opener) readAll(r io.Reader, size int64) (string, error) {
	limit := min(op.limits.FileBytes, op.bytesLeft)
	// A Builder does not clear the memory that it is going to fill, as make does.
	var text strings.Builder
	const most = 1 << 30 // of what is not there yet; an int of 32 bits holds it
	text.Grow(int(max(min(size, limit, most), 0)))
	if op.piece == nil {
		op.piece = make([]byte, pieceSize)
	}
	n, err := io.CopyBuffer(&text, io.LimitReader(r, limit+1), op.piece)
	switch {
	case n > limit && limit < op.limits.FileBytes:
		op.exhausted = true
		return "", fmt.Errorf("with this file the inputs hold more than %s, the limit for all together", bytesOf(op.limits.TotalBytes))
	case n > limit:
		return "", fmt.Errorf("holds more than %s, the limit for one file", bytesOf(limit))
	}
	op.bytesLeft -= n
	return text.String(), err
}

func bytesOf(n int64) string {
	for _, unit := range []struct {
		size int64
		name string
	}{{1 << 30, "GiB"}, {1 << 20, "MiB"}, {1 << 10, "KiB"}} {
		if n >= unit.size && n%unit.size == 0 {
			return fmt.Sprintf("%d %s", n/unit.size, unit.name)
		}
	}
	return fmt.Sprintf("%d bytes", n)
}
