// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/spf13/pflag"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
)

// commandLine is what an EPP makes of its arguments.
type commandLine struct {
	// set are the flags that were given, by name.
	set map[string]string
	// rest is what is no flag: for Go's flag package everything behind the first such argument.
	rest []string
	// known are all flags of the EPP.
	known map[string]bool
}

// declared are an EPP's flags and the kind of each (Bool, Int, …), read from its source. Its options type cannot be
// imported: only one version of a module can, and that is the one without an EPP.
type declared struct {
	kinds map[string]string
	// pflag says which of the two flag packages the EPP parses with.
	pflag bool
}

func flagsOf(t *testing.T, version string) declared {
	t.Helper()
	d := declared{kinds: map[string]string{}}
	root := moduleDir(t, version)
	for _, dir := range []string{"cmd/epp/runner", "pkg/epp/server", "pkg/common/observability/logging"} {
		files, err := filepath.Glob(filepath.Join(root, dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if !strings.HasSuffix(file, "_test.go") {
				d.read(t, file)
			}
		}
	}
	if len(d.kinds) < 20 {
		t.Fatalf("only %d flags found in the EPP's source: %v", len(d.kinds), d.kinds)
	}
	return d
}

func (d *declared) read(t *testing.T, path string) {
	t.Helper()
	source, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	file, err := parser.ParseFile(token.NewFileSet(), path, source, 0)
	if err != nil {
		t.Fatal(err)
	}
	ast.Inspect(file, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		method, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		receiver, ok := method.X.(*ast.Ident)
		if !ok {
			return true
		}
		d.declare(receiver.Name, method.Sel.Name, call.Args)
		return true
	})
}

// declare looks at calls such as flag.Bool("tracing", …) and fs.BoolVar(&o.Tracing, "tracing", …).
func (d *declared) declare(receiver, method string, args []ast.Expr) {
	if receiver == "pflag" && method == "Parse" {
		d.pflag = true
		return
	}
	if receiver != "flag" && receiver != "fs" {
		return
	}
	name := 0
	kind := strings.TrimSuffix(method, "P")
	if k, isVar := strings.CutSuffix(kind, "Var"); isVar {
		name, kind = 1, k
	}
	switch kind {
	case "Bool", "Int", "String", "Duration", "IntSlice":
	default:
		return
	}
	if len(args) <= name {
		return
	}
	if literal, ok := args[name].(*ast.BasicLit); ok && literal.Kind == token.STRING {
		if text, err := strconv.Unquote(literal.Value); err == nil {
			d.kinds[text] = kind
		}
	}
}

// parse reads arguments as this EPP does.
func (d declared) parse(args []string) (commandLine, error) {
	line := commandLine{set: map[string]string{}, known: map[string]bool{}}
	for name := range d.kinds {
		line.known[name] = true
	}
	logging := flag.NewFlagSet("zap", flag.ContinueOnError)
	(&zap.Options{}).BindFlags(logging)
	if d.pflag {
		set := pflag.NewFlagSet("epp", pflag.ContinueOnError)
		d.bindPFlags(set)
		set.AddGoFlagSet(logging)
		err := set.Parse(args)
		set.Visit(func(f *pflag.Flag) { line.set[f.Name] = f.Value.String() })
		line.rest = set.Args()
		return line, err
	}
	logging.SetOutput(io.Discard)
	d.bindFlags(logging)
	err := logging.Parse(args)
	logging.Visit(func(f *flag.Flag) { line.set[f.Name] = f.Value.String() })
	line.rest = logging.Args()
	return line, err
}

func (d declared) bindFlags(set *flag.FlagSet) {
	for name, kind := range d.kinds {
		switch kind {
		case "Bool":
			set.Bool(name, false, "")
		case "Int":
			set.Int(name, 0, "")
		case "Duration":
			set.Duration(name, time.Duration(0), "")
		default:
			set.String(name, "", "")
		}
	}
}

func (d declared) bindPFlags(set *pflag.FlagSet) {
	for name, kind := range d.kinds {
		switch kind {
		case "Bool":
			set.Bool(name, false, "")
		case "Int":
			set.Int(name, 0, "")
		case "Duration":
			set.Duration(name, time.Duration(0), "")
		case "IntSlice":
			set.IntSlice(name, nil, "")
		default:
			set.String(name, "", "")
		}
	}
}
