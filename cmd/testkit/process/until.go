package process

import (
	"context"
	"fmt"
	"time"
)

// Until asks again and again until the answer is nil, at most limit; then it returns the last answer.
func Until(ctx context.Context, limit time.Duration, ask func() error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := ask()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("not within %v: %w", limit, err)
		case <-time.After(200 * time.Millisecond):
		}
	}
}
