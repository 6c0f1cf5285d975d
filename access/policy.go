// SPDX-License-Identifier: Apache-2.0

// Package access decides who may do what: policy documents in the language of
// IAM, read strictly, and evaluated against one action on one resource
// (docs/spec/ec2-api.md section 11.5). It also seals what must not be readable
// at rest.
//
// It is pure: it knows no store, no operation and no clock. What a document says
// and this package cannot judge is refused when the document is read, never
// ignored when it is applied.
package access

import (
	"fmt"
	"regexp"
	"strings"
)

// Kind says what a policy document is for.
type Kind uint8

const (
	Identity Kind = iota // what a user, a role or a session may do
	Trust                // who may assume a role
)

// MaxDocument is the longest policy document, in bytes.
const MaxDocument = 32 << 10

// Policy is a document that was read. It is immutable; the zero value allows
// nothing.
type Policy struct {
	statements []statement
}

// statement applies to what all of its parts match.
type statement struct {
	sid          string
	deny         bool
	actions      []pattern
	notActions   bool
	resources    []resource // empty in a trust policy
	notResources bool
	principals   []string // of a trust policy: "*", an account or an ARN
	conditions   []condition
}

// Parse reads a policy document. Its errors are sentences for the author of the
// document: they say which statement is wrong and what would be right.
func Parse(kind Kind, document string) (*Policy, error) {
	if len(document) > MaxDocument {
		return nil, fmt.Errorf("the document has %d bytes; %d is the most", len(document), MaxDocument)
	}
	root, err := parseJSON(document)
	if err != nil {
		return nil, err
	}
	top, err := root.object("the document", "Version", "Id", "Statement")
	if err != nil {
		return nil, err
	}
	variables := false // the older language has none
	if v, ok := top["Version"]; ok {
		text, err := v.text("Version")
		switch {
		case err != nil:
			return nil, err
		case text != "2012-10-17" && text != "2008-10-17":
			return nil, fmt.Errorf("the Version is %.40q; it must be 2012-10-17 or 2008-10-17", text)
		}
		variables = text == "2012-10-17"
	}
	if id, ok := top["Id"]; ok {
		if _, err := id.text("Id"); err != nil {
			return nil, err
		}
	}
	list, ok := top["Statement"]
	if !ok {
		return nil, fmt.Errorf("the document has no Statement")
	}
	items := []node{list}
	if list.kind == array {
		items = list.items
	}
	if len(items) == 0 {
		return nil, fmt.Errorf("the Statement is empty")
	}
	p := &Policy{}
	seen := map[string]bool{}
	for i, item := range items {
		s, err := parseStatement(kind, item, variables)
		if err != nil {
			return nil, fmt.Errorf("statement %d: %w", i+1, err)
		}
		if s.sid != "" && seen[s.sid] {
			return nil, fmt.Errorf("statement %d: the Sid %q comes twice", i+1, s.sid)
		}
		seen[s.sid] = true
		p.statements = append(p.statements, *s)
	}
	return p, nil
}

var (
	sidForm     = regexp.MustCompile(`^[A-Za-z0-9 ]*$`)
	actionForm  = regexp.MustCompile(`^(\*|[A-Za-z0-9-]+:[A-Za-z0-9*?]+)$`)
	accountForm = regexp.MustCompile(`^[0-9]{12}$`)
	nameForm    = regexp.MustCompile(`^arn:aws:(iam|sts)::[0-9]{12}:(root|(user|role|assumed-role)/[\w+=,.@/-]+)$`)
)

func parseStatement(kind Kind, n node, variables bool) (*statement, error) {
	member, err := n.object("a statement", "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource", "NotResource", "Condition")
	if err != nil {
		return nil, err
	}
	s := &statement{}
	if sid, ok := member["Sid"]; ok {
		if s.sid, err = sid.text("Sid"); err != nil {
			return nil, err
		}
		if !sidForm.MatchString(s.sid) {
			return nil, fmt.Errorf("the Sid %.60q holds something else than letters, digits and spaces", s.sid)
		}
	}
	effect, ok := member["Effect"]
	if !ok {
		return nil, fmt.Errorf("it has no Effect")
	}
	word, err := effect.text("Effect")
	switch {
	case err != nil:
		return nil, err
	case word != "Allow" && word != "Deny":
		return nil, fmt.Errorf("Effect is %.40q; it must be Allow or Deny", word)
	}
	s.deny = word == "Deny"
	if err := s.parseActions(member); err != nil {
		return nil, err
	}
	if kind == Trust {
		err = s.parsePrincipals(member)
	} else {
		err = s.parseResources(member, variables)
	}
	if err != nil {
		return nil, err
	}
	if c, ok := member["Condition"]; ok {
		if s.conditions, err = parseConditions(c, variables); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// either returns the one of two exclusive members that is there.
func either(member map[string]node, is, not string) (list []string, negated bool, err error) {
	a, hasIs := member[is]
	b, hasNot := member[not]
	switch {
	case hasIs && hasNot:
		return nil, false, fmt.Errorf("it has both %s and %s", is, not)
	case hasIs:
		list, err = a.texts(is)
	case hasNot:
		list, err = b.texts(not)
	default:
		return nil, false, fmt.Errorf("it has neither %s nor %s", is, not)
	}
	return list, hasNot, err
}

func (s *statement) parseActions(member map[string]node) error {
	list, negated, err := either(member, "Action", "NotAction")
	if err != nil {
		return err
	}
	s.notActions = negated
	for _, text := range list {
		if !actionForm.MatchString(text) {
			return fmt.Errorf("the action %.100q is not of the form service:Operation", text)
		}
		p, err := compile(strings.ToLower(text), wildcards)
		if err != nil {
			return err
		}
		s.actions = append(s.actions, p)
	}
	return nil
}

func (s *statement) parseResources(member map[string]node, variables bool) error {
	for _, name := range []string{"Principal", "NotPrincipal"} {
		if _, ok := member[name]; ok {
			return fmt.Errorf("it has a %s, but belongs to whom it is attached to", name)
		}
	}
	list, negated, err := either(member, "Resource", "NotResource")
	if err != nil {
		return err
	}
	s.notResources = negated
	for _, text := range list {
		r, err := compileResource(text, variables)
		if err != nil {
			return err
		}
		s.resources = append(s.resources, r)
	}
	return nil
}

func (s *statement) parsePrincipals(member map[string]node) error {
	for _, name := range []string{"Resource", "NotResource", "NotPrincipal"} {
		if _, ok := member[name]; ok {
			return fmt.Errorf("it has a %s, which a trust policy cannot have", name)
		}
	}
	n, ok := member["Principal"]
	if !ok {
		return fmt.Errorf("it has no Principal; a trust policy says whom it trusts")
	}
	if n.kind == text && n.value == "*" {
		s.principals = []string{"*"}
		return nil
	}
	kinds, err := n.object("Principal", "AWS")
	if err != nil {
		return err
	}
	aws, ok := kinds["AWS"]
	if !ok {
		return fmt.Errorf("the Principal names nobody")
	}
	if s.principals, err = aws.texts("Principal"); err != nil {
		return err
	}
	for _, name := range s.principals {
		if name != "*" && !accountForm.MatchString(name) && !nameForm.MatchString(name) {
			return fmt.Errorf("the principal %.200q is neither an account nor the ARN of a user, a role, a session or an account's root", name)
		}
	}
	return nil
}
