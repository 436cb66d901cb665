// Command compose holds a compose file to the Compose specification's schema and
// loads it as Docker does: references between services, files and variables. It
// starts nothing.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/compose-spec/compose-go/v2/cli"
)

func main() {
	if err := judge(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "compose:", err)
		os.Exit(1)
	}
}

func judge(file string) error {
	options, err := cli.NewProjectOptions([]string{file}, cli.WithEnv([]string{"VERSION=v0.0.0"}))
	if err != nil {
		return err
	}
	project, err := options.LoadProject(context.Background())
	if err != nil {
		return err
	}
	var missing []error
	for name, c := range project.Configs {
		missing = append(missing, exists("config "+name, c.File))
	}
	for name, s := range project.Secrets {
		missing = append(missing, exists("secret "+name, s.File))
	}
	if err := errors.Join(missing...); err != nil {
		return err
	}
	fmt.Printf("%s: %d services, as the Compose specification wants it; not started here\n", filepath.Base(file), len(project.Services))
	return nil
}

func exists(what, file string) error {
	if _, err := os.Stat(file); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
