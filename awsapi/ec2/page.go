// SPDX-License-Identifier: Apache-2.0

package ec2

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/hedgeward/hedgeward/secgroup"
)

// paging is how one Describe cuts its answer into pages and words its refusals
// (docs/spec/ec2-api.md section 1.8).
type paging struct {
	operation string
	min, max  int32  // of MaxResults
	withIDs   string // refusal of ids together with MaxResults; empty when they are allowed
	old       bool   // the wording of DescribeSecurityGroups and DescribeSecurityGroupRules
}

// cursor is where one request's page begins and how long it may get.
type cursor struct {
	after  string // sort key of the last item of the page before; "" at the start
	limit  int    // 0 without limit
	digest string // of the operation, the caller and the other parameters
}

// cursor checks MaxResults and NextToken of the request in, a pointer to a
// generated type that has both. ids reports whether it names resources by id.
func (p paging) cursor(scope secgroup.Scope, in any, ids bool) (cursor, error) {
	request := reflect.ValueOf(in).Elem()
	limit := request.FieldByName("MaxResults").Interface().(*int32)
	token := request.FieldByName("NextToken").Interface().(*string)
	c := cursor{digest: p.digest(scope, request)}
	if limit != nil {
		if ids && p.withIDs != "" {
			return cursor{}, secgroup.Errorf("InvalidParameterCombination", "%s", p.withIDs)
		}
		if err := p.inRange(*limit); err != nil {
			return cursor{}, err
		}
		c.limit = int(*limit)
	}
	if token != nil && *token != "" {
		text, err := base64.RawURLEncoding.DecodeString(*token)
		after, ok := strings.CutPrefix(string(text), c.digest)
		if err != nil || !ok || after == "" {
			return cursor{}, p.badToken(*token)
		}
		c.after = after
	}
	return c, nil
}

func (p paging) inRange(limit int32) error {
	name, below, above := "MaxResults", "greater than or equal to", "smaller than or equal to"
	if p.old {
		name, below, above = "maxResults", "greater than", "smaller than"
	}
	bound, side := p.min, below
	switch {
	case limit < p.min:
	case limit > p.max:
		bound, side = p.max, above
	default:
		return nil
	}
	return secgroup.Errorf("InvalidParameterValue", "Value ( %d ) for parameter %s is invalid. Expecting a value %s %d.",
		limit, name, side, bound)
}

func (p paging) badToken(token string) error {
	if p.old {
		return secgroup.Errorf("InvalidPaginationToken", "Next token '%s' is invalid", token)
	}
	return secgroup.Errorf("InvalidParameterValue", "Value ( %s ) for parameter NextToken is invalid. The token is invalid.", token)
}

// digest identifies the walk that a token belongs to. MaxResults is left out: a
// client may change it between pages.
func (p paging) digest(scope secgroup.Scope, request reflect.Value) string {
	rest := reflect.New(request.Type()).Elem()
	rest.Set(request)
	for _, name := range []string{"MaxResults", "NextToken", "DryRun"} {
		if f := rest.FieldByName(name); f.IsValid() {
			f.SetZero()
		}
	}
	text, err := json.Marshal(rest.Interface())
	if err != nil {
		panic(fmt.Sprintf("ec2: a request of %s has no text: %v", p.operation, err)) // generated types always have
	}
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %s %s", p.operation, scope.Account, scope.Region, text))
	return string(sum[:16])
}

// sortKey is the place of a resource in every listing: by creation, then by id.
func sortKey(created time.Time, id string) string {
	return created.UTC().Format("20060102150405.000000000") + id
}

// page sorts items by key, which must be unique and never change, and returns
// those of the cursor's page with the token of the next one, nil after the last.
// Because a page begins after a key and not at a number, nothing that exists
// during the whole walk repeats or is skipped.
func page[T any](c cursor, items []T, key func(T) string) ([]T, *string) {
	return pageBy(c, items, key, func(T) int { return 1 })
}

// pageBy is page for items that count as several: an item is never split, and a
// page holds at least one.
func pageBy[T any](c cursor, items []T, key func(T) string, weight func(T) int) ([]T, *string) {
	type entry struct {
		key  string
		item T
	}
	entries := make([]entry, len(items))
	for i, item := range items {
		entries[i] = entry{key(item), item}
	}
	slices.SortFunc(entries, func(a, b entry) int { return strings.Compare(a.key, b.key) })
	if c.after != "" {
		first, found := slices.BinarySearchFunc(entries, c.after, func(e entry, after string) int {
			return strings.Compare(e.key, after)
		})
		if found {
			first++
		}
		entries = entries[first:]
	}
	sorted := make([]T, len(entries))
	total := 0
	for i := range entries {
		if total += weight(entries[i].item); c.limit > 0 && total > c.limit && i > 0 {
			return sorted[:i], c.next(entries[i-1].key)
		}
		sorted[i] = entries[i].item
	}
	return sorted, nil
}

// next returns the token of the page behind the item with that key.
func (c cursor) next(key string) *string {
	return new(base64.RawURLEncoding.EncodeToString([]byte(c.digest + key)))
}

// list is what most Describes do with the rows it may show: drop those that the
// filters do not match, cut out the page, spell the rest. It uses rows up.
func list[T, Out any](c cursor, rows []*T, match func(*T) bool, key func(*T) string, show func(*T) Out) ([]Out, *string) {
	found, next := page(c, slices.DeleteFunc(rows, func(row *T) bool { return !match(row) }), key)
	return each(found, show), next
}
