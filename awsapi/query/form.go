// SPDX-License-Identifier: Apache-2.0

package query

import (
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/hedgeward/hedgeward/secgroup"
)

// param is one decoded form parameter.
type param struct {
	name, value string
}

// Form is the parameters of a request, sorted so that everything under one name
// is together and list indexes ascend.
type Form struct {
	params  []param
	action  string
	version string
}

// ParseForm decodes the query string and the body of a request. Where both give
// a parameter the body wins. Parameters of query-string signatures (X-Amz-…)
// are left out. The error is a *secgroup.Error.
func ParseForm(rawQuery string, body []byte) (*Form, error) {
	f := new(Form)
	inBody, err := parse(nil, string(body), "")
	if err != nil {
		return nil, err
	}
	inQuery, err := parse(nil, rawQuery, "X-Amz-")
	if err != nil {
		return nil, err
	}
	if len(inBody) > 0 && len(inQuery) > 0 {
		inQuery = slices.DeleteFunc(inQuery, func(q param) bool {
			_, found := slices.BinarySearchFunc(inBody, q.name, func(p param, name string) int { return compareNames(p.name, name) })
			return found
		})
	}
	f.params = inBody
	if len(inQuery) > 0 {
		f.params = append(f.params, inQuery...)
		slices.SortFunc(f.params, func(a, b param) int { return compareNames(a.name, b.name) })
	}
	f.params = slices.DeleteFunc(f.params, func(p param) bool {
		switch p.name {
		case "Action":
			f.action = p.value
		case "Version":
			f.version = p.value
		default:
			return false
		}
		return true
	})
	return f, nil
}

// Action returns the operation that the request names, "" for none.
func (f *Form) Action() string { return f.action }

// Version returns the API version that the request names, "" for none.
func (f *Form) Version() string { return f.version }

// parse appends the parameters of one encoded form to params, less those whose
// name starts with a non-empty skip, and sorts them.
func parse(params []param, encoded, skip string) ([]param, error) {
	if encoded == "" {
		return params, nil
	}
	params = slices.Grow(params, strings.Count(encoded, "&")+1)
	for encoded != "" {
		var pair string
		pair, encoded, _ = strings.Cut(encoded, "&")
		if pair == "" {
			continue
		}
		name, value, _ := strings.Cut(pair, "=")
		name, err := url.QueryUnescape(name)
		if err != nil {
			return nil, secgroup.Errorf("MalformedQueryString", "The query string contains a syntax error.")
		}
		value, err = url.QueryUnescape(value)
		if err != nil {
			return nil, secgroup.Errorf("MalformedQueryString", "The query string contains a syntax error.")
		}
		if skip != "" && strings.HasPrefix(name, skip) {
			continue
		}
		if !utf8.ValidString(name) || !utf8.ValidString(value) {
			return nil, secgroup.Errorf("InvalidParameterValue", "The value of parameter %s is not valid UTF-8.", show(name))
		}
		params = append(params, param{name, value})
	}
	byName := func(a, b param) int { return compareNames(a.name, b.name) }
	if !slices.IsSortedFunc(params, byName) {
		slices.SortFunc(params, byName)
	}
	for i := 1; i < len(params); i++ {
		if params[i].name == params[i-1].name {
			return nil, secgroup.Errorf("InvalidParameterCombination", "The parameter %s may be given only once.", show(params[i].name))
		}
	}
	return params, nil
}

// compareNames orders parameter names part by part: indexes first, as numbers,
// then other parts, as text. A name orders before the names under it.
func compareNames(a, b string) int {
	for {
		x, restA, moreA := strings.Cut(a, ".")
		y, restB, moreB := strings.Cut(b, ".")
		if x != y {
			switch i, j := isIndex(x), isIndex(y); {
			case i && j && len(x) != len(y):
				return len(x) - len(y)
			case i && !j:
				return -1
			case j && !i:
				return 1
			}
			return strings.Compare(x, y)
		}
		switch {
		case !moreA && !moreB:
			return 0
		case !moreA:
			return -1
		case !moreB:
			return 1
		}
		a, b = restA, restB
	}
}

// isIndex reports whether s is a list index: decimal from 1, no leading zero,
// at most nine digits. Its size costs nothing: elements are placed by order.
func isIndex(s string) bool {
	if len(s) == 0 || len(s) > 9 || s[0] == '0' {
		return false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// show shortens what a caller sent for an error message.
func show(s string) string {
	const longest = 256
	if len(s) <= longest {
		return s
	}
	return strings.ToValidUTF8(s[:longest], "") + "…"
}
