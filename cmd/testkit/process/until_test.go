package process

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

func TestUntilAsksUntilTheAnswerIsNilOrTheLimitIsReached(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked, not := 0, errors.New("not yet")
		third := func() error {
			if asked++; asked < 3 {
				return not
			}
			return nil
		}
		if err := Until(t.Context(), time.Minute, third); err != nil || asked != 3 {
			t.Errorf("asked %d times: %v", asked, err)
		}
		begun := time.Now()
		if err := Until(t.Context(), time.Minute, func() error { return not }); !errors.Is(err, not) || time.Since(begun) != time.Minute {
			t.Errorf("never, and ended after %v: %v", time.Since(begun), err)
		}
	})
}
