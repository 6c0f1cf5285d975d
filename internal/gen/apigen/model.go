// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
)

// model is what we read of a published API model (awsapi/models).
type model struct {
	Metadata struct {
		APIVersion       string `json:"apiVersion"`
		Protocol         string `json:"protocol"` // "ec2", "query" or "json"
		ServiceFullName  string `json:"serviceFullName"`
		ServiceID        string `json:"serviceId"`
		SigningName      string `json:"signingName"`
		TargetPrefix     string `json:"targetPrefix"`
		XMLNamespace     string `json:"xmlNamespace"`
		JSONVersion      string `json:"jsonVersion"`
		SignatureVersion string `json:"signatureVersion"`
		UID              string `json:"uid"`
	} `json:"metadata"`
	Operations map[string]*operation `json:"operations"`
	Shapes     map[string]*shape     `json:"shapes"`
}

type operation struct {
	Name   string `json:"name"`
	Input  *ref   `json:"input"`
	Output *ref   `json:"output"` // nil when the operation declares none

	NoOutput bool `json:"-"` // Output was nil: an empty one stands in
}

// ref names a shape from a member, a list or an operation.
type ref struct {
	Shape         string `json:"shape"`
	LocationName  string `json:"locationName"`
	QueryName     string `json:"queryName"`
	ResultWrapper string `json:"resultWrapper"`
}

type shape struct {
	Type     string          `json:"type"`
	Members  map[string]*ref `json:"members"`
	Required []string        `json:"required"`
	Enum     []string        `json:"enum"`
	Member   *ref            `json:"member"` // of a list
	Key      *ref            `json:"key"`    // of a map
	Value    *ref            `json:"value"`  // of a map
	Min      *float64        `json:"min"`
	Max      *float64        `json:"max"`
}

// use says in which direction a structure travels.
type use uint8

const (
	inRequest use = 1 << iota
	inResult
)

func readModel(path string) (*model, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read model: %w", err)
	}
	m := new(model)
	if err := json.Unmarshal(text, m); err != nil {
		return nil, fmt.Errorf("read model %s: %w", path, err)
	}
	for name, op := range m.Operations {
		if op.Input == nil {
			return nil, fmt.Errorf("model %s: operation %s has no input", path, name)
		}
	}
	return m, nil
}

// service returns the name in credential scopes.
func (m *model) service() string {
	if m.Metadata.SigningName != "" {
		return m.Metadata.SigningName
	}
	return strings.ToLower(m.Metadata.ServiceID)
}

// uses returns every shape that an operation reaches and how it travels.
func (m *model) uses() (map[string]use, error) {
	seen := make(map[string]use)
	var walk func(name string, u use) error
	walk = func(name string, u use) error {
		s := m.Shapes[name]
		if s == nil {
			return fmt.Errorf("shape %s is not in the model", name)
		}
		if seen[name]&u == u {
			return nil
		}
		seen[name] |= u
		switch {
		case s.Type == "list" && m.Shapes[s.Member.Shape] != nil && m.Shapes[s.Member.Shape].Type == "list":
			return fmt.Errorf("shape %s is a list of lists, which the codecs do not carry", name)
		case s.Type == "map" && m.Metadata.Protocol != "json":
			return fmt.Errorf("shape %s is a map, which only the JSON codec carries", name)
		}
		for _, member := range s.Members {
			if err := walk(member.Shape, u); err != nil {
				return err
			}
		}
		for _, r := range []*ref{s.Member, s.Key, s.Value} {
			if r != nil {
				if err := walk(r.Shape, u); err != nil {
					return err
				}
			}
		}
		return nil
	}
	for _, op := range m.Operations {
		if err := walk(op.Input.Shape, inRequest); err != nil {
			return nil, fmt.Errorf("operation %s: %w", op.Name, err)
		}
		if op.Output != nil {
			if err := walk(op.Output.Shape, inResult); err != nil {
				return nil, fmt.Errorf("operation %s: %w", op.Name, err)
			}
		}
	}
	return seen, nil
}

// sorted returns the keys of m in order.
func sorted[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
