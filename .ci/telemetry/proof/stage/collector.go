package stage

import (
	"context"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"time"

	"release-forwarder/cmd/testkit/process"
)

// Collector is a running OpenTelemetry Collector.
type Collector struct {
	*process.Process
	// GRPC and HTTP are where it takes OTLP, host:port.
	GRPC, HTTP string
}

// StartCollector starts the collector with its configuration; it hands on all that it gets to the address to. It ends
// with the stage's processes, or when it is stopped.
func StartCollector(ctx context.Context, binary, config, dir, to string) (*Collector, error) {
	c := &Collector{}
	var err error
	if c.GRPC, err = process.FreeAddress(); err != nil {
		return nil, err
	}
	if c.HTTP, err = process.FreeAddress(); err != nil {
		return nil, err
	}
	env := append(os.Environ(), "COLLECTOR_GRPC="+c.GRPC, "COLLECTOR_HTTP="+c.HTTP, "COLLECTOR_TO="+to)
	if c.Process, err = process.Start(binary, env, filepath.Join(dir, "collector.log"), "--config", config); err != nil {
		return nil, fmt.Errorf("collector: %w", err)
	}
	err = process.Until(ctx, 20*time.Second, func() error {
		for _, address := range []string{c.GRPC, c.HTTP} {
			conn, err := net.Dial("tcp", address)
			if err != nil {
				return fmt.Errorf("collector: %w\n%s", err, c.Tail(10))
			}
			_ = conn.Close()
		}
		return nil
	})
	if err != nil {
		c.Kill()
		return nil, err
	}
	return c, nil
}
