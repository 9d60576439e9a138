// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strconv"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"sigs.k8s.io/structured-merge-diff/v6/value"
)

// encoder writes values in one form: fields in the order of their names, whatever Go type holds them, numbers alike
// whether they are whole numbers or floats, and no field that is null. What a Go type has as JSON it takes from
// structured-merge-diff, as the API server does, but makes no maps of it.
type encoder struct {
	to []byte
	// keys are those of the maps that are being written, scratch is a field set without names.
	keys    []string
	scratch []byte
	// owner is the controller of what is written.
	owner owner
	errs  []error
}

func newEncoder() any { return &encoder{} }

func (e *encoder) reset() {
	clear(e.keys[:cap(e.keys)])
	e.to, e.scratch, e.keys, e.owner, e.errs = e.to[:0], e.scratch[:0], e.keys[:0], owner{}, nil
}

// digest is that of what was written.
func (e *encoder) digest() (string, error) {
	sum := sha256.Sum256(e.to)
	return hex.EncodeToString(sum[:12]), errors.Join(e.errs...)
}

// plain is v without pointers, and as what it is in JSON if its type says that itself. Nothing is the zero Value.
func (e *encoder) plain(v reflect.Value) reflect.Value {
	for v.IsValid() {
		switch kind := v.Kind(); {
		case kind == reflect.Pointer || kind == reflect.Interface:
			v = v.Elem()
			continue
		case (kind == reflect.Map || kind == reflect.Slice) && v.IsNil():
			return reflect.Value{}
		}
		t := v.Type()
		if !mayConvert(t) {
			return v
		}
		entry := value.TypeReflectEntryOf(t)
		if !entry.CanConvertToUnstructured() {
			return v
		}
		converted, err := convert(entry, v)
		if err != nil {
			e.errs = append(e.errs, fmt.Errorf("encoding %s: %w", t, err))
			return reflect.Value{}
		}
		v = reflect.ValueOf(converted)
	}
	return v
}

// mayConvert says that a type can have a form of its own in JSON. Most of what is read are plain texts and numbers.
func mayConvert(t reflect.Type) bool {
	return t.Kind() == reflect.Struct || t.PkgPath() != "" && t.NumMethod() > 0
}

// convert is what entry.ToUnstructured does; of the two types that are most frequent, without encoding them first.
func convert(entry *value.TypeReflectCacheEntry, v reflect.Value) (any, error) {
	switch x := v.Interface().(type) {
	case intstr.IntOrString:
		if x.Type == intstr.Int {
			return x.IntVal, nil
		}
		return x.StrVal, nil
	case apiextensionsv1.JSON:
		var out any
		if len(x.Raw) == 0 {
			return out, nil
		}
		err := utiljson.Unmarshal(x.Raw, &out)
		return out, err
	default:
		return entry.ToUnstructured(v)
	}
}

// value writes what plain returned.
func (e *encoder) value(v reflect.Value) {
	switch v.Kind() {
	case reflect.Invalid:
		e.to = append(e.to, "null"...)
	case reflect.Struct, reflect.Map:
		e.to = append(e.to, '{')
		e.each(v, e.field)
		e.to = append(e.to, '}')
	case reflect.Slice, reflect.Array:
		e.list(v)
	case reflect.String:
		e.to = strconv.AppendQuote(e.to, v.String())
	case reflect.Bool:
		e.to = strconv.AppendBool(e.to, v.Bool())
	case reflect.Float32, reflect.Float64:
		e.float(v.Float())
	default:
		if v.CanInt() {
			e.to = strconv.AppendInt(e.to, v.Int(), 10)
		} else {
			e.to = strconv.AppendUint(e.to, v.Uint(), 10)
		}
	}
}

func (e *encoder) float(v float64) {
	if whole := int64(v); float64(whole) == v {
		e.to = strconv.AppendInt(e.to, whole, 10)
		return
	}
	e.to = strconv.AppendFloat(e.to, v, 'g', -1, 64)
}

func (e *encoder) list(v reflect.Value) {
	if v.Type().Elem().Kind() == reflect.Uint8 {
		e.to = strconv.AppendQuote(e.to, base64.StdEncoding.EncodeToString(v.Bytes()))
		return
	}
	e.to = append(e.to, '[')
	for i := range v.Len() {
		e.value(e.plain(v.Index(i)))
		e.to = append(e.to, ',')
	}
	e.to = append(e.to, ']')
}

// field writes one field of a map.
func (e *encoder) field(name string, v reflect.Value) {
	e.named(name)
	e.value(v)
	e.to = append(e.to, ',')
}

func (e *encoder) named(name string) { e.to = append(strconv.AppendQuote(e.to, name), ':') }

// each goes through the fields of a struct or map in the order of their names, without those that are null.
func (e *encoder) each(v reflect.Value, do func(string, reflect.Value)) {
	if v.Kind() == reflect.Struct {
		for _, f := range value.TypeReflectEntryOf(v.Type()).OrderedFields() {
			if field := f.GetFrom(v); !f.CanOmit(field) {
				if field = e.plain(field); field.IsValid() {
					do(f.JsonName, field)
				}
			}
		}
		return
	}
	first := len(e.keys)
	e.addKeys(v)
	last := len(e.keys)
	slices.Sort(e.keys[first:])
	for i := first; i < last; i++ {
		// Below, more keys may come to stand behind these, in another array.
		name := e.keys[i]
		if field := e.get(v, name); field.IsValid() {
			do(name, field)
		}
	}
	e.keys = e.keys[:first]
}

func (e *encoder) addKeys(v reflect.Value) {
	switch m := v.Interface().(type) {
	case map[string]any:
		for key := range m {
			e.keys = append(e.keys, key)
		}
	case map[string]string:
		for key := range m {
			e.keys = append(e.keys, key)
		}
	default:
		for keys := v.MapRange(); keys.Next(); {
			e.keys = append(e.keys, keys.Key().String())
		}
	}
}

// get is one field of a struct or map, as plain returns it; the zero Value if there is none.
func (e *encoder) get(v reflect.Value, name string) reflect.Value {
	if v.Kind() == reflect.Struct {
		f, ok := value.TypeReflectEntryOf(v.Type()).Fields()[name]
		if !ok {
			return reflect.Value{}
		}
		field := f.GetFrom(v)
		if f.CanOmit(field) {
			return reflect.Value{}
		}
		return e.plain(field)
	}
	switch m := v.Interface().(type) {
	case map[string]any:
		return e.plain(reflect.ValueOf(m[name]))
	default:
		return e.plain(v.MapIndex(reflect.ValueOf(name).Convert(v.Type().Key())))
	}
}

// object writes what a manager can own of an object.
func (e *encoder) object(v reflect.Value) {
	e.to = append(e.to, '{')
	e.each(v, func(name string, v reflect.Value) {
		switch name {
		case "apiVersion", "kind", "status":
		case "metadata":
			e.metadata(v, "name", "namespace", "managedFields", "resourceVersion", "uid", "generation", "creationTimestamp")
		default:
			e.field(name, v)
		}
	})
	e.to = append(e.to, '}')
}

// unversioned writes a whole object but its version.
func (e *encoder) unversioned(v reflect.Value) {
	e.each(v, func(name string, v reflect.Value) {
		if name == "metadata" {
			e.metadata(v, "resourceVersion")
			return
		}
		e.field(name, v)
	})
}

func (e *encoder) metadata(v reflect.Value, but ...string) {
	e.named("metadata")
	e.to = append(e.to, '{')
	e.each(v, func(name string, v reflect.Value) {
		if !slices.Contains(but, name) {
			e.field(name, v)
		}
	})
	e.to = append(e.to, '}', ',')
}
