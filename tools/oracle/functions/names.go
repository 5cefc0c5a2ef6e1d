package main

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/printer"
	"go/token"
	"io"
	"os/exec"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
)

// names writes the functions of Helm's templates, a line each, sorted; other names of the same function follow
// the first on its line. They are read in the sources, because no package exports them all, and tried.
func names(out io.Writer) error {
	bodies, err := functionBodies()
	if err != nil {
		return err
	}
	groups := map[string][]string{}
	for name, body := range bodies {
		refused := answer(testCase{Template: "{{ if false }}{{ " + name + " }}{{ end }}"}).Error
		if refused != nil {
			return fmt.Errorf("%s: %s", name, *refused)
		}
		groups[body] = append(groups[body], name)
	}
	var lines []string
	for _, group := range groups {
		sort.Slice(group, func(i, j int) bool { return better(group[i], group[j]) })
		lines = append(lines, strings.Join(group, " "))
	}
	sort.Strings(lines)
	_, err = fmt.Fprintln(out, strings.Join(lines, "\n"))
	return err
}

// better tells which of two names of one function is the main one: no deprecated spelling.
func better(a, b string) bool {
	mains := map[string]int{"trimAll": 1, "list": 1, "append": 1, "mustAppend": 1, "max": 1}
	if mains[a] != mains[b] {
		return mains[a] > mains[b]
	}
	if strings.Contains(a, "_") != strings.Contains(b, "_") {
		return strings.Contains(b, "_")
	}
	return a < b
}

// functionBodies maps each name to something that is equal for names of the same function.
func functionBodies() (map[string]string, error) {
	bodies := map[string]string{}
	goroot, err := command("go", "env", "GOROOT")
	if err != nil {
		return nil, err
	}
	helm, err := command("go", "list", "-m", "-f", "{{.Dir}}", "helm.sh/helm/v4")
	if err != nil {
		return nil, err
	}
	sprig, err := command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/Masterminds/sprig/v3")
	if err != nil {
		return nil, err
	}
	for _, path := range []string{
		filepath.Join(goroot, "src/text/template/funcs.go"),
		filepath.Join(sprig, "functions.go"),
		filepath.Join(helm, "pkg/engine/funcs.go"),
		filepath.Join(helm, "pkg/engine/engine.go"),
	} {
		if err := collect(path, bodies); err != nil {
			return nil, err
		}
	}
	delete(bodies, "env")
	delete(bodies, "expandenv")
	return bodies, nil
}

func command(name string, args ...string) (string, error) {
	out, err := exec.Command(name, args...).Output()
	return strings.TrimSpace(string(out)), err
}

// collect takes the entries of the maps of functions in a source file.
func collect(path string, bodies map[string]string) error {
	set := token.NewFileSet()
	file, err := parser.ParseFile(set, path, nil, 0)
	if err != nil {
		return err
	}
	ast.Inspect(file, func(node ast.Node) bool {
		switch node := node.(type) {
		case *ast.CompositeLit:
			if isFuncMap(node.Type) {
				for _, element := range node.Elts {
					pair := element.(*ast.KeyValueExpr)
					add(bodies, path, pair.Key, pair.Value)
				}
			}
		case *ast.AssignStmt:
			if index, ok := node.Lhs[0].(*ast.IndexExpr); ok {
				if base, ok := index.X.(*ast.Ident); ok && base.Name == "funcMap" {
					add(bodies, path, index.Index, node.Rhs[0])
				}
			}
		}
		return true
	})
	return nil
}

// isFuncMap tells whether a type is FuncMap, template.FuncMap or map[string]interface{}.
func isFuncMap(node ast.Expr) bool {
	switch node := node.(type) {
	case *ast.Ident:
		return node.Name == "FuncMap"
	case *ast.SelectorExpr:
		return node.Sel.Name == "FuncMap"
	case *ast.MapType:
		_, ok := node.Value.(*ast.InterfaceType)
		return ok
	}
	return false
}

func add(bodies map[string]string, path string, key, value ast.Expr) {
	literal, ok := key.(*ast.BasicLit)
	if !ok || literal.Kind != token.STRING {
		return
	}
	name, err := strconv.Unquote(literal.Value)
	if err != nil {
		return
	}
	switch value := value.(type) {
	case *ast.Ident:
		bodies[name] = path + "#" + value.Name
	case *ast.SelectorExpr:
		bodies[name] = fmt.Sprintf("%s#%s.%s", path, value.X, value.Sel.Name)
	default:
		var source strings.Builder
		if printer.Fprint(&source, token.NewFileSet(), value) == nil {
			bodies[name] = source.String()
		}
	}
}
