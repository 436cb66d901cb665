package connect_test

import (
	"fmt"
	"os"
	"path/filepath"

	"release-forwarder/cmd/release-forwarder/connect"
	"release-forwarder/cmd/release-forwarder/settings"
)

// A secret is reloaded when its file changes; a blank file changes nothing. In the program Run looks at the
// file, and only Get is called.
func ExampleWatch() {
	dir, err := os.MkdirTemp("", "secret")
	if err != nil {
		panic(err)
	}
	defer func() { _ = os.RemoveAll(dir) }()
	path := filepath.Join(dir, "app-secret")
	put := func(text string) { _ = os.WriteFile(path, []byte(text), 0o600) }

	put("first\n")
	secret, err := connect.Watch(connect.WatchConfig[settings.Secret]{
		Files: []string{path},
		Parse: func(contents [][]byte) (settings.Secret, error) { return settings.ParseSecret(contents[0]) },
	})
	if err != nil {
		panic(err)
	}
	for _, text := range []string{"first", "second", " "} {
		put(text)
		secret.Look()
		fmt.Println(secret.Get().Reveal())
	}
	// Output:
	// first
	// second
	// second
}
