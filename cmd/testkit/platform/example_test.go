package platform_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"

	"release-forwarder/cmd/testkit/platform"
)

// A platform that is busy for each flow number's first two requests.
func ExampleDouble_Script() {
	double := platform.New(platform.Config{Secret: "secret"})
	double.Script(func(r *platform.Request) *platform.Reply {
		if r.Attempt <= 2 {
			return &platform.Reply{Status: 503, Body: platform.Body{Code: platform.CodeBusy, Seqno: "1"}.String()}
		}
		return nil
	})
	server := httptest.NewServer(double)
	defer server.Close()

	for range 3 {
		resp, err := server.Client().Post(server.URL, "application/x-www-form-urlencoded; charset=UTF-8", strings.NewReader("park_uuid=P&flow_no=F"))
		if err != nil {
			fmt.Println(err)
			return
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		fmt.Println(resp.StatusCode)
	}
	fmt.Printf("%+v\n", double.Tally(platform.Flow{Lot: "P", No: "F"}))
	// Output:
	// 503
	// 503
	// 401
	// {Received:3 Accepted:0}
}
