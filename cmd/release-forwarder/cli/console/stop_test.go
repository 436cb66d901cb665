package console

import (
	"bytes"
	"context"
	"io"
	"strings"
	"testing"
)

// Standard input comes byte for byte.
func TestStandardInputComesAsItIs(t *testing.T) {
	text := strings.Repeat("粤B12345\n", 10000)
	in := Stopper{context.Background()}.Input(strings.NewReader(text))
	if got, err := io.ReadAll(in); err != nil || !bytes.Equal(got, []byte(text)) {
		t.Errorf("%d bytes of %d, %v", len(got), len(text), err)
	}
}
