package mapping

import (
	_ "embed"
	"fmt"
	"strings"

	"go.yaml.in/yaml/v3"
)

//go:embed update.yaml
var updateYAML []byte

// Endpoint is what one of the platform's endpoints takes, and what its codes mean.
type Endpoint struct {
	Name      string
	Success   []string // codes of an answer's body that accept
	Permanent []string // and those that refuse for good
	Repeat    string   // the field of which the platform ignores a repeated value of a lot
	Order     []string // the fields of the order key
	Fields    []Field
}

// maxFields bounds an endpoint's fields, so that a release needs no memory of its own for each.
// It is the number of those that are there: room that is not used costs time with each record.
const maxFields = 12

// endpoint is the one that is built in.
var endpoint = mustEndpoint(updateYAML)

// BuiltIn returns the endpoint that events are sent to.
func BuiltIn() Endpoint { return endpoint }

// endpointData is an endpoint as it is written.
type endpointData struct {
	Name               string
	Success, Permanent []string
	Repeat             string
	Order              []string
	Fields             []struct {
		Name, Title, Kind, Otherwise string
		Required, Personal           bool
		Codes                        map[string][]string
		Suspicion                    Suspicion
	}
}

// mustEndpoint reads an endpoint that is part of the program.
func mustEndpoint(text []byte) Endpoint {
	var data endpointData
	decoder := yaml.NewDecoder(strings.NewReader(string(text)))
	decoder.KnownFields(true)
	if err := decoder.Decode(&data); err != nil || len(data.Fields) > maxFields {
		panic(fmt.Sprintf("mapping: the endpoint's table: %d fields, %v", len(data.Fields), err))
	}
	e := Endpoint{Name: data.Name, Success: data.Success, Permanent: data.Permanent, Repeat: data.Repeat, Order: data.Order}
	for _, d := range data.Fields {
		f := Field{Name: d.Name, Title: d.Title, Kind: kinds[d.Kind], Required: d.Required, Personal: d.Personal}
		if f.Kind == Code {
			f.codes = &codeList{byName: map[string]string{}, otherwise: d.Otherwise, odd: d.Suspicion}
			for code, names := range d.Codes {
				f.codes.byName[code] = code
				for _, name := range names {
					f.codes.byName[strings.ToLower(name)] = code
				}
			}
		}
		e.Fields = append(e.Fields, f)
	}
	return e
}
