// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package apply

import (
	"bytes"
	"slices"
	"strings"
	"sync"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/structured-merge-diff/v6/fieldpath"
	"sigs.k8s.io/structured-merge-diff/v6/value"
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
	fieldpath.PathElement
	part *part
}

// newPart reads a field set. What kind of object it is does not belong to its content.
func newPart(set *fieldpath.Set, but ...string) *part {
	p := &part{}
	add := func(element fieldpath.PathElement, below *part) {
		switch {
		case element.FieldName == nil:
			p.items = append(p.items, itemPart{PathElement: element, part: below})
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
	slices.SortStableFunc(p.items, func(a, b itemPart) int { return a.Compare(b.PathElement) })
	return p
}

func (p *part) isWhole() bool { return len(p.fields)+len(p.items) == 0 }

// owned writes the part of a value that is named.
func (e *encoder) owned(v value.Value, p *part) {
	switch {
	case p.isWhole():
		e.value(v)
	case v.IsMap():
		e.ownedFields(v, p)
	case v.IsList():
		e.ownedItems(v, p)
	default:
		e.value(v)
	}
}

func (e *encoder) ownedFields(v value.Value, p *part) {
	fields := v.AsMapUsing(e.values)
	defer e.values.Free(fields)
	e.to = append(e.to, '{')
	for _, f := range p.fields {
		v, ok := fields.GetUsing(e.values, f.name)
		if !ok {
			continue
		}
		if !v.IsNull() {
			e.named(f.name)
			e.owned(v, f.part)
			e.to = append(e.to, ',')
		}
		e.values.Free(v)
	}
	e.to = append(e.to, '}')
}

func (e *encoder) ownedItems(v value.Value, p *part) {
	list := v.AsListUsing(e.values)
	defer e.values.Free(list)
	e.to = append(e.to, '[')
	for i := range list.Length() {
		item := list.AtUsing(e.values, i)
		if at := slices.IndexFunc(p.items, func(it itemPart) bool { return e.is(item, i, it.PathElement) }); at >= 0 {
			e.owned(item, p.items[at].part)
			e.to = append(e.to, ',')
		}
		e.values.Free(item)
	}
	e.to = append(e.to, ']')
}

// is says that an item of a list is the one that an element of a field set names.
func (e *encoder) is(item value.Value, at int, element fieldpath.PathElement) bool {
	switch {
	case element.Key != nil:
		return item.IsMap() && e.hasKeys(item, *element.Key)
	case element.Value != nil:
		return e.same(item, *element.Value)
	default:
		return element.Index != nil && *element.Index == at
	}
}

func (e *encoder) hasKeys(item value.Value, keys value.FieldList) bool {
	fields := item.AsMapUsing(e.values)
	defer e.values.Free(fields)
	return !slices.ContainsFunc(keys, func(key value.Field) bool {
		v, ok := fields.GetUsing(e.values, key.Name)
		if !ok {
			return true
		}
		defer e.values.Free(v)
		return !e.same(v, key.Value)
	})
}

// same compares a value with what a field set says.
func (e *encoder) same(v, named value.Value) bool {
	if named.IsString() {
		switch named.AsString() {
		case anyUID:
			return v.IsString() && v.AsString() == e.owner.uid
		case anyName:
			return v.IsString() && v.AsString() == e.owner.name
		}
	}
	return value.EqualsUsing(e.values, v, named)
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
