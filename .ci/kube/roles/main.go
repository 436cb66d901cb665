// Command roles is the platform's double for pods: it serves on the address given and tells at /accepted how many events it has
// accepted. It is started by ../roles.sh.
package main

import (
	"fmt"
	"net"
	"net/http"
	"os"
	"time"

	"release-forwarder/cmd/testkit/platform"
)

func main() {
	listener, err := net.Listen("tcp", net.JoinHostPort(os.Args[1], "0")) //nolint:noctx // it ends with the process
	if err != nil {
		fmt.Fprintln(os.Stderr, "roles:", err)
		os.Exit(1)
	}
	double := platform.New(platform.Config{Secret: os.Args[2]})
	mux := http.NewServeMux()
	mux.Handle("/", double)
	mux.HandleFunc("/accepted", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, double.Stats().Accepted) })
	fmt.Println(listener.Addr())
	server := &http.Server{Handler: mux, ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, "roles:", server.Serve(listener))
	os.Exit(1)
}
