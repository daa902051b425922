// Command sbom checks an SBOM: by the JSON schema of CycloneDX, and that it lists the modules that a program was built from, no more and no less.
package main

import (
	"debug/buildinfo"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	cyclonedx "github.com/CycloneDX/cyclonedx-go"
	"github.com/santhosh-tekuri/jsonschema/v6"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: sbom FILE PROGRAM")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "sbom:", err)
		os.Exit(1)
	}
}

func check(file, program string) error {
	f, err := os.Open(file)
	if err != nil {
		return err
	}
	defer f.Close()
	bom := new(cyclonedx.BOM)
	if err := cyclonedx.NewBOMDecoder(f, cyclonedx.BOMFileFormatJSON).Decode(bom); err != nil {
		return err
	}
	if err := validate(file, bom.SpecVersion); err != nil {
		return err
	}
	built, err := modules(program)
	if err != nil {
		return err
	}
	var listed []string
	if bom.Metadata != nil && bom.Metadata.Component != nil {
		listed = append(listed, bom.Metadata.Component.Name+"@"+bom.Metadata.Component.Version)
	}
	if bom.Components != nil {
		for _, c := range *bom.Components {
			listed = append(listed, c.Name+"@"+c.Version)
		}
	}
	slices.Sort(listed)
	if !slices.Equal(listed, built) {
		return fmt.Errorf("%s lists %v, but %s was built from %v", file, listed, program, built)
	}
	fmt.Println(strings.Join(listed, "\n"))
	return nil
}

// validate applies the schema of that version, which is part of the module cyclonedx-go.
func validate(file string, version cyclonedx.SpecVersion) error {
	dir, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/CycloneDX/cyclonedx-go").Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	schemas := filepath.Join(strings.TrimSpace(string(dir)), "schema")
	compiler := jsonschema.NewCompiler()
	for url, name := range map[string]string{ // what the schemas refer to
		"http://cyclonedx.org/schema/spdx.schema.json":     "spdx.schema.json",
		"http://cyclonedx.org/schema/jsf-0.82.schema.json": "jsf-0.82.schemax.json",
	} {
		if err := add(compiler, url, filepath.Join(schemas, name)); err != nil {
			return err
		}
	}
	schema, err := compiler.Compile(filepath.Join(schemas, "bom-"+version.String()+".schema.json"))
	if err != nil {
		return err
	}
	document, err := read(file)
	if err != nil {
		return err
	}
	return schema.Validate(document)
}

func add(compiler *jsonschema.Compiler, url, file string) error {
	document, err := read(file)
	if err != nil {
		return err
	}
	return compiler.AddResource(url, document)
}

func read(file string) (any, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return jsonschema.UnmarshalJSON(f)
}

// modules returns what the program says that it was built from, as PATH@VERSION, sorted.
func modules(program string) ([]string, error) {
	info, err := buildinfo.ReadFile(program)
	if err != nil {
		return nil, err
	}
	list := []string{info.Main.Path + "@" + info.Main.Version, "std@" + info.GoVersion}
	for _, m := range info.Deps {
		list = append(list, m.Path+"@"+m.Version)
	}
	slices.Sort(list)
	return list, nil
}
