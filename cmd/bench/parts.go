package main

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/url"
	"os"
	"slices"
	"strings"

	"github.com/twmb/franz-go/pkg/kfake"
)

const secret = "bench-secret"

// kafkaCommand is an in-memory Kafka of one broker.
type kafkaCommand struct{}

func (kafkaCommand) Run() error {
	c, err := kfake.NewCluster(kfake.NumBrokers(1))
	if err != nil {
		return err
	}
	defer c.Close()
	fmt.Println(c.ListenAddrs()[0])
	_, err = io.Copy(io.Discard, os.Stdin) // until the parent ends
	return err
}

func signed(params map[string]string) string {
	names := make([]string, 0, len(params))
	for name := range params {
		names = append(names, name)
	}
	slices.Sort(names)
	values, parts := url.Values{}, make([]string, 0, len(names))
	for _, name := range names {
		parts = append(parts, name+"="+params[name])
		values.Set(name, params[name])
	}
	sum := md5.Sum([]byte(strings.Join(parts, "&") + "&app_secret=" + secret))
	values.Set("sign", strings.ToUpper(hex.EncodeToString(sum[:])))
	return values.Encode()
}

// lots is how many lots the events belong to.
const lots = 50

// event is the i-th event, about 300 bytes or filled up to size with a field that
// the API does not know. It maps to the bare loop's request.
func event(i, size int) []byte { return eventOf(fmt.Sprintf("FLOW-%d", i), i, size) }

func eventOf(flow string, i, size int) []byte {
	e := fmt.Appendf(nil, `{"park_uuid":"PARK-%d","flow_no":"%s","parking_serial":"SERIAL-%d","plate":"粤B12345","plate_color":1,"car_type":"temporary",`+
		`"operator":"张三","reason":"设备异常","enter_time":"2026-01-02 11:04:05","leave_time":"2026-01-02T05:04:05Z"`, i%lots, flow, i)
	if fill := size - len(e) - len(`,"more":""}`); fill > 0 {
		e = append(e, `,"more":"`...)
		noise := make([]byte, (fill+1)/2) // compresses to a half at best
		for j := range noise {
			noise[j] = byte(i*31 + j*j*7 + j>>3)
		}
		e = append(hex.AppendEncode(e, noise), '"')
	}
	return append(e, '}')
}
