package fetch

import (
	"bytes"
	"io"
	"sync"

	"github.com/klauspost/compress/zstd"
)

// maxZstdWindow is how far back a zstd stream may refer; its decoder allocates that much. 8 MiB is the largest
// window of levels up to 19.
const maxZstdWindow = 8 << 20

// Fields of a zstd frame's header (RFC 8878, section 3.1.1.1).
const (
	zstdDescriptorAt  = 4
	zstdWindowAt      = 5
	zstdSingleSegment = 0x20
	zstdWindow8MiB    = (23 - 10) << 3 // exponent 23, mantissa 0
	zstdLongestHeader = 18
)

// zstds are idle decoders.
var zstds = sync.Pool{New: func() any {
	d, err := zstd.NewReader(nil,
		zstd.WithDecoderConcurrency(1), // no goroutines
		zstd.WithDecoderLowmem(true),
		zstd.WithDecoderMaxWindow(maxZstdWindow),
		zstd.WithDecodeBuffersBelow(0), // otherwise small inputs are unpacked whole
	)
	if err != nil {
		panic(err) // the options are constant
	}
	return d
}}

// zstdReader is a decoder from the pool.
type zstdReader struct{ *zstd.Decoder }

// openZstd begins to read packed, which holds data.
func openZstd(packed *bytes.Reader, data []byte) io.ReadCloser {
	d := zstds.Get().(*zstd.Decoder)
	_ = d.Reset(clampZstd(packed, data)) // fails only after the decoder is closed
	return zstdReader{d}
}

// Close returns the decoder to the pool, without its input.
func (r zstdReader) Close() error {
	err := r.Reset(nil)
	zstds.Put(r.Decoder)
	return err
}

// clampZstd returns packed; if its frame declares a window larger than maxZstdWindow, the same frame with that
// window. High levels declare up to 2 GiB whatever the content's size. A batch seldom unpacks to so much that
// it refers back farther; one that does fails to unpack.
func clampZstd(packed *bytes.Reader, data []byte) io.Reader {
	var h zstd.Header
	if err := h.Decode(data[:min(len(data), zstdLongestHeader)]); err != nil || h.Skippable {
		return packed // the decoder says what is wrong
	}
	window := h.WindowSize
	if h.SingleSegment {
		window = h.FrameContentSize
	}
	if window <= maxZstdWindow {
		return packed
	}
	head := bytes.Clone(data[:zstdWindowAt])
	rest := data[zstdWindowAt:]
	if h.SingleSegment {
		// The content's size stands for the window, which has no field. In so large a frame that size takes 4
		// or 8 bytes, the same in both kinds of frame.
		head[zstdDescriptorAt] &^= zstdSingleSegment
	} else {
		rest = rest[1:]
	}
	head = append(head, zstdWindow8MiB)
	return io.MultiReader(bytes.NewReader(head), bytes.NewReader(rest))
}
