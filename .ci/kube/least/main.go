// Command least holds overlays against the least versions that they are for: it renders them by the kustomize of that
// kubectl, and compares Kubernetes' own objects with its API's types, custom resources with their definitions. What is
// not known there is refused, as an API server refuses it with strict fields.
//
//	least DEFINITIONS OVERLAY…
package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"log"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apps "k8s.io/api/apps/v1"
	batch "k8s.io/api/batch/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	rbac "k8s.io/api/rbac/v1"
	"k8s.io/apiextensions-apiserver/pkg/apis/apiextensions"
	extensions "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning"
	"k8s.io/apiextensions-apiserver/pkg/apiserver/validation"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	kubevalidate "k8s.io/kube-openapi/pkg/validation/validate"
	"sigs.k8s.io/kustomize/api/krusty"
	"sigs.k8s.io/kustomize/kyaml/filesys"
	strict "sigs.k8s.io/yaml"
)

func main() {
	log.SetFlags(0)
	log.SetPrefix("least: ")
	if len(os.Args) < 3 {
		log.Fatal("give the definitions and the overlays")
	}
	d := judges{}
	definitions, err := os.ReadFile(os.Args[1])
	if err == nil {
		err = each(definitions, d.define)
	}
	if err != nil {
		log.Fatal(err)
	}
	bad := false
	for _, overlay := range os.Args[2:] {
		kinds, errs := d.overlay(overlay)
		for _, err := range errs {
			bad = true
			log.Printf("%s: %v", filepath.Base(overlay), err)
		}
		fmt.Printf("least: %s: %s\n", filepath.Base(overlay), strings.Join(kinds, ", "))
	}
	if bad {
		os.Exit(1)
	}
}

// each hands on every document of a text.
func each(text []byte, do func(document []byte) error) error {
	for d := yaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(text))); ; {
		document, err := d.Read()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil {
			err = do(document)
		}
		if err != nil {
			return err
		}
	}
}

func render(dir string) ([]byte, error) {
	rendered, err := krusty.MakeKustomizer(krusty.MakeDefaultOptions()).Run(filesys.MakeFsOnDisk(), dir)
	if err != nil {
		return nil, err
	}
	return rendered.AsYaml()
}

// judge holds the custom resources of one kind and version against its definition.
type judge struct {
	structure *schema.Structural
	validator *kubevalidate.SchemaValidator
}

// judges are by apiVersion and kind.
type judges map[string]judge

func (j judges) define(document []byte) error {
	var definition extensions.CustomResourceDefinition
	if err := strict.Unmarshal(document, &definition); err != nil {
		return err
	}
	for _, v := range definition.Spec.Versions {
		if !v.Served {
			continue
		}
		var internal apiextensions.CustomResourceValidation
		if err := extensions.Convert_v1_CustomResourceValidation_To_apiextensions_CustomResourceValidation(v.Schema, &internal, nil); err != nil {
			return err
		}
		structure, err := schema.NewStructural(internal.OpenAPIV3Schema)
		if err != nil {
			return err
		}
		validator, _, err := validation.NewSchemaValidator(&internal)
		if err != nil {
			return err
		}
		j[definition.Spec.Group+"/"+v.Name+" "+definition.Spec.Names.Kind] = judge{structure, validator}
	}
	return nil
}

// overlay says which kinds it has, and what is wrong with them.
func (j judges) overlay(dir string) (kinds []string, errs []error) {
	text, err := render(dir)
	if err != nil {
		return nil, []error{err}
	}
	count := map[string]int{}
	err = each(text, func(document []byte) error {
		object := map[string]any{}
		if err := strict.Unmarshal(document, &object); err != nil || len(object) == 0 {
			return err
		}
		name := fmt.Sprint(object["apiVersion"], " ", object["kind"])
		count[name]++
		for _, err := range j.errors(name, object, document) {
			errs = append(errs, fmt.Errorf("%s: %w", name, err))
		}
		return nil
	})
	if err != nil {
		errs = append(errs, err)
	}
	for _, name := range slices.Sorted(maps.Keys(count)) {
		kinds = append(kinds, fmt.Sprintf("%d %s", count[name], name))
	}
	return kinds, errs
}

func (j judges) errors(name string, object map[string]any, document []byte) (errs []error) {
	custom, is := j[name]
	switch {
	case is:
		for _, err := range validation.ValidateCustomResource(nil, object, custom.validator) {
			errs = append(errs, err)
		}
		options := schema.UnknownFieldPathOptions{TrackUnknownFieldPaths: true}
		for _, path := range pruning.PruneWithOptions(object, custom.structure, true, options) {
			errs = append(errs, fmt.Errorf("unknown field %q", path))
		}
	case strings.Contains(name, ".strimzi.io/"): // strimzi.sh holds these to Strimzi's own classes
	default:
		if _, _, err := builtin.Decode(document, nil, nil); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// builtin decodes Kubernetes' own objects, strictly.
var builtin = func() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		apps.AddToScheme, batch.AddToScheme, core.AddToScheme, networking.AddToScheme, policy.AddToScheme, rbac.AddToScheme,
	} {
		utilruntime.Must(add(scheme))
	}
	return serializer.NewCodecFactory(scheme, serializer.EnableStrict).UniversalDeserializer()
}()
