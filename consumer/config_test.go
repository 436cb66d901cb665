package consumer

import "testing"

func TestAnUnknownOffsetResetIsNotTakenForAnother(t *testing.T) {
	for reset, waits := range map[OffsetReset]bool{ResetEarliest: false, ResetNone: true} {
		if reset.waits() != waits {
			t.Errorf("%s: waits %v", reset, !waits)
		}
	}
	defer func() {
		if recover() == nil {
			t.Error("an unknown one passes over what is missing")
		}
	}()
	OffsetReset("latest").waits()
}
