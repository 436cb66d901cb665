package upstream_test

import (
	"context"
	"fmt"
	"time"

	"release-forwarder/upstream"
	"release-forwarder/upstream/credential"
	"release-forwarder/upstream/gate"
)

var _ upstream.Gate = (*gate.Gate)(nil)

// The text that may be shown of a request whose signature was refused.
func ExampleStringToSign() {
	params := []upstream.Param{
		{Name: "plate", Value: "粤B12345"},
		{Name: "park_uuid", Value: "p-1"},
		{Name: "reason", Value: ""},
	}
	fmt.Println(upstream.StringToSign(params, "***"))
	// Output: park_uuid=p-1&plate=粤B12345&app_secret=***
}

// How to connect a client and a gate, and what to report of a delivery.
func Example() {
	g := gate.New(gate.Config{MaxInFlight: 64})
	secret := credential.NewSecret("from a file")
	client, err := upstream.New(upstream.Config{
		URL:        "http://127.0.0.1:1/gate/1.0/parking/internal/update", // nobody listens
		Credential: func() credential.Credential { return credential.Credential{Secret: secret} },
		MayRetry:   func() bool { return !g.Open() },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer client.Close()

	ctx := context.Background()
	if _, err := g.Acquire(ctx); err != nil {
		return
	}
	defer g.Release(true)
	answer := client.Deliver(ctx, upstream.Request{Params: []upstream.Param{{Name: "park_uuid", Value: "p-1"}}})
	switch answer.Verdict {
	case upstream.Accepted:
		g.Accepted()
	case upstream.Throttled:
		g.Pause(time.Now().Add(answer.RetryAfter))
	case upstream.Permanent, upstream.Cut:
	default:
		g.Failed("topic/0/17")
	}
	fmt.Println(answer.Err)
	// Output: unreachable: dial 127.0.0.1:1: connection refused
}
