package stage

import (
	"bytes"
	"context"
	"errors"
	"os/exec"
)

// run runs a program to its end and returns what it wrote to both its outputs.
func run(ctx context.Context, program string, env []string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = env
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err := cmd.Run()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) && ctx.Err() == nil {
		err = nil
	}
	return out.String(), err
}
