// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"bytes"
	"reflect"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
)

// part says what of a value a field set names: some fields of a map, some items of a list, or, if it names nothing below,
// the value as a whole.
type part struct {
	fields []namedPart
	items  []itemPart
}

type namedPart struct {
	name string
	part *part
}

// itemPart is an item that is known by its keys, by its value, or by its place.
type itemPart struct {
	element fieldpath.PathElement
	// keys are fields of the item, and what they say; without a name it is the item itself that says so.
	keys []keyPart
	part *part
}

type keyPart struct{ name, text string }

// newPart reads a field set. What kind of object it is does not belong to its content.
func newPart(set *fieldpath.Set, but ...string) *part {
	p := &part{}
	add := func(element fieldpath.PathElement, below *part) {
		switch {
		case element.FieldName == nil:
			p.items = append(p.items, itemPart{element: element, keys: keysOf(element), part: below})
		case !slices.Contains(but, *element.FieldName):
			p.fields = append(p.fields, namedPart{name: *element.FieldName, part: below})
		}
	}
	for element := range set.Children.All() {
		below, _ := set.Children.Get(element)
		add(element, newPart(below))
	}
	for element := range set.Members.All() {
		if _, deeper := set.Children.Get(element); !deeper {
			add(element, &part{})
		}
	}
	slices.SortFunc(p.fields, func(a, b namedPart) int { return strings.Compare(a.name, b.name) })
	slices.SortStableFunc(p.items, func(a, b itemPart) int { return a.element.Compare(b.element) })
	return p
}

func keysOf(element fieldpath.PathElement) []keyPart {
	var keys []keyPart
	switch {
	case element.Key != nil:
		for _, key := range *element.Key {
			keys = append(keys, keyPart{name: key.Name, text: textOf(key.Value.Unstructured())})
		}
	case element.Value != nil:
		keys = append(keys, keyPart{text: textOf((*element.Value).Unstructured())})
	}
	return keys
}

// textOf is what an encoder would write.
func textOf(v any) string {
	e := &encoder{}
	e.value(e.plain(reflect.ValueOf(v)))
	return string(e.to)
}

func (p *part) isWhole() bool { return len(p.fields)+len(p.items) == 0 }

// owned writes the part that is named of what plain returned.
func (e *encoder) owned(v reflect.Value, p *part) {
	switch kind := v.Kind(); {
	case p.isWhole():
		e.value(v)
	case kind == reflect.Struct || kind == reflect.Map:
		e.to = append(e.to, '{')
		for _, f := range p.fields {
			if field := e.get(v, f.name); field.IsValid() {
				e.named(f.name)
				e.owned(field, f.part)
				e.to = append(e.to, ',')
			}
		}
		e.to = append(e.to, '}')
	case kind == reflect.Slice:
		e.ownedItems(v, p.items)
	default:
		e.value(v)
	}
}

func (e *encoder) ownedItems(v reflect.Value, items []itemPart) {
	e.to = append(e.to, '[')
	for i := range v.Len() {
		item := e.plain(v.Index(i))
		if at := slices.IndexFunc(items, func(named itemPart) bool { return e.is(item, i, named) }); at >= 0 {
			e.owned(item, items[at].part)
			e.to = append(e.to, ',')
		}
	}
	e.to = append(e.to, ']')
}

// is says that an item of a list is the one that a field set names.
func (e *encoder) is(item reflect.Value, at int, named itemPart) bool {
	if index := named.element.Index; index != nil {
		return *index == at
	}
	return !slices.ContainsFunc(named.keys, func(key keyPart) bool {
		if key.name == "" {
			return !e.says(item, key.text)
		}
		return item.Kind() != reflect.Struct && item.Kind() != reflect.Map || !e.says(e.get(item, key.name), key.text)
	})
}

// says compares a value with what a field set says of it.
func (e *encoder) says(v reflect.Value, text string) bool {
	switch text {
	case `"` + anyUID + `"`:
		return v.Kind() == reflect.String && v.String() == e.owner.uid
	case `"` + anyName + `"`:
		return v.Kind() == reflect.String && v.String() == e.owner.name
	}
	at := len(e.to)
	e.value(v)
	same := string(e.to[at:]) == text
	e.to = e.to[:at]
	return same
}

// anyUID and anyName stand in a field set for what no two Workspaces have in common: the set names the reference to an
// owner by its UID, and a container by its name, which is the owner's.
const (
	anyUID  = "the owner's UID"
	anyName = "the owner's name"
)

type owner struct{ uid, name string }

// unnamed is a field set without what its owner is called. It is valid until the next one is asked for.
func (e *encoder) unnamed(fields []byte, controller *metav1.OwnerReference) []byte {
	if controller == nil {
		return fields
	}
	e.owner = owner{uid: string(controller.UID), name: controller.Name}
	e.scratch = e.scratch[:0]
	// What items of lists are named by is JSON in JSON.
	for quote := []byte(`:\"`); ; {
		before, after, found := bytes.Cut(fields, quote)
		e.scratch = append(e.scratch, before...)
		if !found {
			return e.scratch
		}
		e.scratch = append(e.scratch, quote...)
		switch {
		case isQuoted(after, e.owner.uid):
			e.scratch, after = append(e.scratch, anyUID...), after[len(e.owner.uid):]
		case isQuoted(after, e.owner.name):
			e.scratch, after = append(e.scratch, anyName...), after[len(e.owner.name):]
		}
		fields = after
	}
}

// isQuoted says that text is all until the quote ends.
func isQuoted(fields []byte, text string) bool {
	return text != "" && len(fields) > len(text) && string(fields[:len(text)]) == text && fields[len(text)] == '\\'
}

// partTable holds field sets as they were read. There are few: objects of a kind differ in what fields say, seldom in
// which fields there are.
type partTable struct {
	mu    sync.Mutex
	known map[string]*part
}

// maxParts bounds the table, of which an entry takes a few KiB.
const maxParts = 256

// of reads a field set: FieldsV1, of which structured-merge-diff says the format.
func (t *partTable) of(fields []byte) (*part, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if known, ok := t.known[string(fields)]; ok {
		return known, nil
	}
	set := &fieldpath.Set{}
	if err := set.FromJSON(bytes.NewReader(fields)); err != nil {
		return nil, err
	}
	if len(t.known) >= maxParts {
		clear(t.known)
	}
	p := newPart(set, "apiVersion", "kind")
	t.known[string(fields)] = p
	return p, nil
}
