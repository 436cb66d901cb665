package mapping_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"
	"time"

	"release-forwarder/mapping"

	"github.com/google/go-cmp/cmp"
)

func Example() {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		panic(err)
	}
	m, err := mapping.New(mapping.Config{Location: shanghai})
	if err != nil {
		panic(err)
	}
	value := []byte(`{"park_uuid": "PARKUUID-1", "flow_no": "FLOW000001", "parking_serial": "PS-1", "plate": "粤BD12345",
		"plate_color": "绿色", "car_type": 1, "enter_time": "2021-09-02 17:36:46", "operator": "　张三　"}`)
	release, err := m.Map(&mapping.Record{Value: value, Time: time.Time{}})
	if err != nil {
		panic(err)
	}
	for name, v := range release.All() {
		fmt.Printf("%s=%s\n", name, v)
	}
	// Output:
	// car_type=1
	// enter_time=2021-09-02T09:36:46Z
	// flow_no=FLOW000001
	// operator=张三
	// park_uuid=PARKUUID-1
	// parking_serial=PS-1
	// plate=粤BD12345
	// plate_color=5
}

func ExampleMapper_Map_refused() {
	m, err := mapping.New(mapping.Config{Location: time.UTC})
	if err != nil {
		panic(err)
	}
	value := []byte(`{"park_uuid":"P1","flow_no":"F1","parking_serial":"S1","plate":"粤B12345","leave_time":"2021-02-30 08:00:00"}`)
	_, err = m.Map(&mapping.Record{Value: value, Time: time.Time{}})
	if refused, ok := errors.AsType[*mapping.Error](err); ok {
		fmt.Println(refused.Reason, refused.Field)
		fmt.Println(refused)
	}
	lot, serial := m.Identify(&mapping.Record{Value: value})
	fmt.Println(lot, serial)
	// Output:
	// bad-time leave_time
	// bad-time: leave_time: no such date or time of day (byte 88)
	// P1 S1
}

// testdata/examples.json, which is for people who produce events, agrees with the code.
func TestExamples(t *testing.T) {
	file, err := os.ReadFile("testdata/examples.json")
	if err != nil {
		t.Fatal(err)
	}
	var examples []struct {
		Name       string
		Timestamp  time.Time // of the record; zero: unknown
		Event      json.RawMessage
		Sends      map[string]string
		Suspicious []mapping.Suspicion
		Refused    *struct {
			Reason mapping.Reason
			Field  string
		}
	}
	if err := json.Unmarshal(file, &examples); err != nil {
		t.Fatal(err)
	}
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	m, err := mapping.New(mapping.Config{Location: shanghai})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range examples {
		t.Run(e.Name, func(t *testing.T) {
			release, err := m.Map(&mapping.Record{Value: e.Event, Time: e.Timestamp})
			if e.Refused != nil {
				refused, ok := errors.AsType[*mapping.Error](err)
				if !ok || refused.Reason != e.Refused.Reason || refused.Field != e.Refused.Field {
					t.Errorf("%v, want %v", err, *e.Refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(e.Sends, maps.Collect(release.All())); diff != "" {
				t.Error(diff)
			}
			if !slices.Equal(e.Suspicious, release.Suspicions) {
				t.Errorf("suspicious of %v, want %v", release.Suspicions, e.Suspicious)
			}
		})
	}
}
