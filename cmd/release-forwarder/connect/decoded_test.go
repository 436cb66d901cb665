package connect

import (
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/segmentio/kafka-go"
	"github.com/segmentio/kafka-go/protocol"

	"release-forwarder/cmd/testkit/repo"
)

// decodedBy names the answers that kafka-go decodes in each of its methods that the service calls.
var decodedBy = map[string][]protocol.ApiKey{
	"ApiVersions":     {protocol.ApiVersions},
	"Brokers":         {protocol.Metadata},
	"CreateTopics":    {protocol.CreateTopics},
	"DescribeConfigs": {protocol.DescribeConfigs},
	"DialContext":     {protocol.ApiVersions, protocol.SaslHandshake, protocol.SaslAuthenticate},
	"Produce":         {protocol.Produce},
}

// local are methods that exchange nothing with a broker. Read and Write are here because other types have them
// too: of kafka-go's connection no one calls them.
var local = []string{"Broker", "Close", "LocalAddr", "Read", "RemoteAddr", "SetDeadline", "SetReadDeadline", "SetRequiredAcks", "SetWriteDeadline", "Write"}

// inService matches the folders of the service, without the programs beside it.
var inService = regexp.MustCompile(`^(consumer|dlq|cmd/release-forwarder)/`)

// exchanging are kafka-go's methods that exchange something with a broker, and the number of their arguments.
func exchanging() map[string][]int {
	methods := map[string][]int{}
	for _, t := range []reflect.Type{reflect.TypeFor[*kafka.Client](), reflect.TypeFor[*kafka.Conn](), reflect.TypeFor[*kafka.Dialer]()} {
		for i := range t.NumMethod() {
			if m := t.Method(i); !slices.Contains(local, m.Name) {
				methods[m.Name] = append(methods[m.Name], m.Type.NumIn()-1)
			}
		}
	}
	return methods
}

// The answers whose lengths are checked are those that kafka-go decodes. A call of another of its methods
// needs a row in decodedBy and its answer in shapes.
func TestAnswersThatKafkaGoDecodesAreChecked(t *testing.T) {
	methods := exchanging()
	checked := map[protocol.ApiKey]bool{}
	for _, file := range repo.Files(t, ".go") {
		if !inService.MatchString(file) || strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, repo.Read(t, file), parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.ContainsFunc(parsed.Imports, func(i *ast.ImportSpec) bool { return i.Path.Value == strconv.Quote("github.com/segmentio/kafka-go") }) {
			continue
		}
		ast.Inspect(parsed, func(n ast.Node) bool {
			call, is := n.(*ast.CallExpr)
			if !is {
				return true
			}
			method, is := call.Fun.(*ast.SelectorExpr)
			if !is || !slices.Contains(methods[method.Sel.Name], len(call.Args)) {
				return true
			}
			keys, known := decodedBy[method.Sel.Name]
			if !known {
				t.Errorf("%s calls %s: which answers does kafka-go decode there?", file, method.Sel.Name)
			}
			for _, key := range keys {
				checked[key] = true
			}
			return true
		})
	}
	for key := range checked {
		if shapes[key] == nil {
			t.Errorf("kafka-go decodes answers to %s, whose lengths are not checked", key)
		}
	}
	for key := range shapes {
		if !checked[key] {
			t.Errorf("kafka-go decodes no answer to %s any more", key)
		}
	}
}
