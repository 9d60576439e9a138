// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"

	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// encoder writes values in one form: fields in the order of their names, whatever Go type holds them, numbers alike
// whether they are whole numbers or floats, and no field that is null.
type encoder struct {
	to []byte
	// written are the fields of the maps that are being written now, scratch is where they are put in order.
	written []field
	scratch []byte
	// values are used again: to look at a field costs no memory.
	values value.Allocator
	// owner is the controller of what is written.
	owner owner
}

// field is one field of a map, and where to has it.
type field struct {
	name     string
	from, to int
}

func newEncoder() any { return &encoder{values: value.NewFreelistAllocator()} }

func (e *encoder) reset() {
	clear(e.written[:cap(e.written)])
	e.to, e.scratch, e.written, e.owner = e.to[:0], e.scratch[:0], e.written[:0], owner{}
}

func (e *encoder) digest() string {
	sum := sha256.Sum256(e.to)
	return hex.EncodeToString(sum[:12])
}

func (e *encoder) value(v value.Value) {
	switch {
	case v.IsMap():
		e.fields(v, nil)
	case v.IsList():
		e.list(v)
	case v.IsString():
		e.to = strconv.AppendQuote(e.to, v.AsString())
	case v.IsBool():
		e.to = strconv.AppendBool(e.to, v.AsBool())
	case v.IsInt():
		e.to = strconv.AppendInt(e.to, v.AsInt(), 10)
	case v.IsFloat():
		e.float(v.AsFloat())
	default: // nothing
		e.to = append(e.to, "null"...)
	}
}

func (e *encoder) float(v float64) {
	if whole := int64(v); float64(whole) == v {
		e.to = strconv.AppendInt(e.to, whole, 10)
		return
	}
	e.to = strconv.AppendFloat(e.to, v, 'g', -1, 64)
}

func (e *encoder) list(v value.Value) {
	list := v.AsListUsing(e.values)
	defer e.values.Free(list)
	e.to = append(e.to, '[')
	for i := range list.Length() {
		item := list.AtUsing(e.values, i)
		e.value(item)
		e.to = append(e.to, ',')
		e.values.Free(item)
	}
	e.to = append(e.to, ']')
}

// object writes a whole object, but what no manager owns.
func (e *encoder) object(v value.Value) {
	e.fields(v, func(name string, v value.Value) bool {
		switch name {
		case "apiVersion", "kind", "status":
			return true
		case "metadata":
			e.to = append(e.to, `"metadata":`...)
			e.fields(v, func(name string, _ value.Value) bool {
				return name == "name" || name == "namespace" || isSetByServer(name)
			})
			e.to = append(e.to, ',')
			return true
		default:
			return false
		}
	})
}

// isSetByServer says that the server fills a field of metadata in.
func isSetByServer(name string) bool {
	switch name {
	case "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp":
		return true
	default:
		return false
	}
}

// fields writes a map. A field that done says is dealt with is not written any more.
func (e *encoder) fields(v value.Value, done func(string, value.Value) bool) {
	fields := v.AsMapUsing(e.values)
	defer e.values.Free(fields)
	e.to = append(e.to, '{')
	first, start := len(e.written), len(e.to)
	fields.IterateUsing(e.values, func(name string, v value.Value) bool {
		from := len(e.to)
		if v.IsNull() {
			return true
		}
		if done == nil || !done(name, v) {
			e.named(name)
			e.value(v)
			e.to = append(e.to, ',')
		}
		e.written = append(e.written, field{name: name, from: from, to: len(e.to)})
		return true
	})
	e.order(start, e.written[first:])
	e.written = e.written[:first]
	e.to = append(e.to, '}')
}

func (e *encoder) named(name string) { e.to = append(strconv.AppendQuote(e.to, name), ':') }

// order puts the fields that were written from start on in the order of their names. Those of structs are.
func (e *encoder) order(start int, fields []field) {
	byName := func(a, b field) int { return strings.Compare(a.name, b.name) }
	if slices.IsSortedFunc(fields, byName) {
		return
	}
	slices.SortFunc(fields, byName)
	e.scratch = append(e.scratch[:0], e.to[start:]...)
	e.to = e.to[:start]
	for _, f := range fields {
		e.to = append(e.to, e.scratch[f.from-start:f.to-start]...)
	}
}
