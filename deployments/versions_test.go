package deployments

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"release-forwarder/cmd/testkit/markdown"
	"release-forwarder/cmd/testkit/repo"
)

// found is what a file of the repository has between the parts of an expression: a version.
func found(t *testing.T, file, expression string) string {
	t.Helper()
	m := regexp.MustCompile(`(?m)` + expression).FindStringSubmatch(repo.Read(t, file))
	if m == nil {
		t.Fatalf("%s has no %s", file, expression)
	}
	return m[1]
}

// module is the version of a module that a go.mod below .ci pins.
func module(t *testing.T, mod, path string) string {
	t.Helper()
	return found(t, ".ci/"+mod+"/go.mod", regexp.QuoteMeta(path)+` v(\S+)`)
}

// minor is a version without its patch, and of a library of Kubernetes that of Kubernetes itself.
func minor(version string) string {
	parts := strings.SplitN(strings.Replace(version, "0.", "1.", 1), ".", 3)
	return parts[0] + "." + parts[1]
}

// versionRow says of a program which versions are enough and which were tried, and how, in English and Chinese.
type versionRow struct {
	name, least, tried string
	how                [2]string
}

func versionRows(t *testing.T) []versionRow {
	t.Helper()
	kubernetes := module(t, "kube/cluster", "k8s.io/kubernetes")
	defined := func(path string) (least, tried string) {
		least, newest := module(t, "kube/least/crds", path), module(t, "kube/crds", path)
		return least, least + ", " + newest
	}
	keda, kedas := defined("github.com/kedacore/keda/v2")
	prometheus, prometheuses := defined("github.com/prometheus-operator/prometheus-operator")
	secrets, secretses := defined("github.com/external-secrets/external-secrets")
	strimzi := found(t, ".ci/kube/strimzi/pom.xml", `<strimzi.version>(.*)<`)
	definitions := [2]string{"objects held against its definitions; no operator ran", "对照其 CRD 校验对象；未运行 operator"}
	kubectl := found(t, ".ci/kube/least/go.mod", `sigs\.k8s\.io/kustomize/api \S+ // that of kubectl (\S+)`)
	return []versionRow{
		{"Kubernetes", minor(module(t, "kube/least", "k8s.io/api")), minor(module(t, "kube/least", "k8s.io/api")) + ", " + kubernetes, [2]string{
			"the least: objects held against its API's types; the newest: applied to a real API server, rolled out under load on a real node",
			"最低版本：对照其 API 类型校验对象；最新版本：应用到真实的 API server，并在真实节点上带负载滚动更新",
		}},
		{"kubectl", kubectl, kubectl + ", " + kubernetes, [2]string{
			"overlays rendered by its kustomize; the newest: every command of the tests", "用其内置的 kustomize 渲染 overlay；最新版本：测试中的全部命令",
		}},
		{"Strimzi", strimzi, strimzi + ", " + found(t, ".ci/kube/strimzi/pom.xml", `<strimzi.newest>(.*)<`), [2]string{
			"topics and users compared with its own classes; no operator ran", "用其自身的类校验主题和用户；未运行 operator",
		}},
		{"KEDA", keda, kedas, definitions},
		{"prometheus-operator", prometheus, prometheuses, definitions},
		{"external-secrets", secrets, secretses, definitions},
		{"Apache Kafka", found(t, "cmd/release-forwarder/doctor/versions.go", `use Apache Kafka (\S+) or later`),
			found(t, ".ci/run", `KAFKA_OLDEST:-([0-9.]+)`) + ", " + found(t, ".ci/kafka/pom.xml", `<kafka.version>(.*)<`), [2]string{
				"the acceptance suite on real brokers", "在真实的 broker 上运行验收测试",
			}},
		{"containerd, runc", "–", module(t, "kube/node", "github.com/containerd/containerd/v2") + ", " + module(t, "kube/node", "github.com/opencontainers/runc"), [2]string{
			"the image ran on them", "在其上运行镜像",
		}},
	}
}

// versionPages are the pages of versions, with their heads, in the order of versionRow.how.
var versionPages = []struct{ file, head string }{
	{"docs/reference/versions.md", "| program | least | tried | how it was tried |"},
	{"docs/reference/versions.zh.md", "| 程序 | 最低版本 | 已验证版本 | 验证方式 |"},
}

// TestTheVersionsPage holds the table of each page to the modules by which the versions are tried.
func TestTheVersionsPage(t *testing.T) {
	for i, page := range versionPages {
		var b strings.Builder
		b.WriteString(page.head + "\n| --- | --- | --- | --- |\n")
		for _, r := range versionRows(t) {
			fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", r.name, r.least, r.tried, r.how[i])
		}
		repo.Generated(t, page.file, "<!-- versions:begin -->\n", "<!-- versions:end -->", b.String(), *repo.Update)
	}
}

// TestWhatAsksForAVersionIsUsed: a field that the pages give as the reason for a least version stands in the manifests.
func TestWhatAsksForAVersionIsUsed(t *testing.T) {
	manifests := ""
	for _, pattern := range []string{"base/*.yaml", "components/*/*.yaml", "overlays/*/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			manifests += string(text)
		}
	}
	for _, p := range versionPages {
		page := markdown.Parse(p.file, repo.Read(t, p.file))
		named := 0
		for _, table := range page.Tables {
			for _, row := range table.Rows {
				for _, field := range regexp.MustCompile("^`([^`]+)`$").FindAllStringSubmatch(strings.TrimSpace(row[0]), -1) {
					named++
					if !strings.Contains(manifests, field[1]) {
						t.Errorf("%s: nothing in the manifests has %s", p.file, field[1])
					}
				}
			}
		}
		if named < 5 {
			t.Errorf("%s names %d fields: this looks at nothing", p.file, named)
		}
	}
}

// TestTheUpgradePageNamesTheLeastVersions: a row of its table names each program with the version that the page of versions has.
func TestTheUpgradePageNamesTheLeastVersions(t *testing.T) {
	for _, file := range []string{"docs/how-to/upgrade.md", "docs/how-to/upgrade.zh.md"} {
		page := repo.Read(t, file)
		for _, r := range versionRows(t) {
			if r.least == "–" {
				continue
			}
			row := regexp.MustCompile(`(?m)^\|.*` + regexp.QuoteMeta(r.name) + `.*\b` + regexp.QuoteMeta(r.least) + `\b.*$`)
			if !row.MatchString(page) {
				t.Errorf("%s: no row says that %s must be %s or later", file, r.name, r.least)
			}
		}
	}
}
