// SPDX-License-Identifier: Apache-2.0

package access

import (
	"strings"
	"testing"
)

func TestParseRefuses(t *testing.T) {
	with := func(member string) string {
		return `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:*","Resource":"*",` + member + `}}`
	}
	for _, tc := range []struct {
		name, document, want string
		kind                 Kind
	}{
		{"nothing", "", "the document ends too early", Identity},
		{"half", `{"Statement":`, "ends too early", Identity},
		{"no JSON", `{"Statement"=1}`, "is not JSON", Identity},
		{"a list", `[]`, "the document is not an object", Identity},
		{"null", `{"Statement":null}`, "holds a null", Identity},
		{"two documents", `{} {}`, "something follows", Identity},
		{"twice", `{"Statement":[],"Statement":[]}`, `"Statement" comes twice`, Identity},
		{"deep", strings.Repeat("[", 40) + strings.Repeat("]", 40), "nested more than 8 deep", Identity},
		{"long", `"` + strings.Repeat("x", MaxDocument) + `"`, "32768 is the most", Identity},
		{"not UTF-8", "\"\xff\"", "not UTF-8", Identity},
		{"letter case", `{"statement":[]}`, `a member "statement"`, Identity},
		{"no statement", `{"Version":"2012-10-17"}`, "no Statement", Identity},
		{"empty", `{"Statement":[]}`, "Statement is empty", Identity},
		{"version", `{"Version":"2024-01-01","Statement":[]}`, "must be 2012-10-17", Identity},
		{"no effect", `{"Statement":{"Action":"*","Resource":"*"}}`, "statement 1: it has no Effect", Identity},
		{"effect", `{"Statement":{"Effect":"allow","Action":"*","Resource":"*"}}`, "must be Allow or Deny", Identity},
		{"no action", `{"Statement":{"Effect":"Allow","Resource":"*"}}`, "neither Action nor NotAction", Identity},
		{"no resource", `{"Statement":{"Effect":"Allow","Action":"*"}}`, "neither Resource nor NotResource", Identity},
		{"both", with(`"NotAction":"ec2:X"`), "both Action and NotAction", Identity},
		{"action form", `{"Statement":{"Effect":"Allow","Action":"CreateVpc","Resource":"*"}}`, "service:Operation", Identity},
		{"resource form", `{"Statement":{"Effect":"Allow","Action":"*","Resource":"sg-1"}}`, "neither * nor an ARN", Identity},
		{"empty list", `{"Statement":{"Effect":"Allow","Action":[],"Resource":"*"}}`, "Action is empty", Identity},
		{"list of numbers", `{"Statement":{"Effect":"Allow","Action":[1],"Resource":"*"}}`, "nor a list of strings", Identity},
		{"principal", with(`"Principal":"*"`), "belongs to whom it is attached to", Identity},
		{"operator", with(`"Condition":{"StringMatches":{"aws:username":"x"}}`), `"StringMatches" is not known`, Identity},
		{"key", with(`"Condition":{"StringEquals":{"aws:Moon":"full"}}`), `"aws:moon" is not one`, Identity},
		{"no tag", with(`"Condition":{"StringEquals":{"aws:RequestTag/":"x"}}`), "is not one", Identity},
		{"no key", with(`"Condition":{"StringEquals":{}}`), "does not name a key", Identity},
		{"no value", with(`"Condition":{"StringEquals":{"aws:username":[]}}`), "has no value", Identity},
		{"key twice", with(`"Condition":{"StringEquals":{"aws:username":"a","aws:UserName":"b"}}`), "twice", Identity},
		{"boolean", with(`"Condition":{"Bool":{"aws:SecureTransport":"yes"}}`), "neither true nor false", Identity},
		{"number", with(`"Condition":{"NumericEquals":{"aws:EpochTime":"soon"}}`), "not a number", Identity},
		{"date", with(`"Condition":{"DateLessThan":{"aws:CurrentTime":"soon"}}`), "not a time", Identity},
		{"address", with(`"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/33"}}`), "neither an address", Identity},
		{"null if exists", with(`"Condition":{"NullIfExists":{"aws:username":"true"}}`), "is not known", Identity},
		{"variable", with(`"Condition":{"StringEquals":{"aws:username":"${aws:moon}"}}`), "policy variable", Identity},
		{"open variable", with(`"Condition":{"StringEquals":{"aws:username":"${aws:username"}}`), "has no end", Identity},
		{"sid twice", `{"Statement":[{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"},{"Sid":"A","Effect":"Allow","Action":"*","Resource":"*"}]}`, "comes twice", Identity},
		{"trust without principal", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole"}}`, "no Principal", Trust},
		{"trust with resource", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":"*","Resource":"*"}}`, "cannot have", Trust},
		{"trust in a service", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"Service":"ec2.amazonaws.com"}}}`, `a member "Service"`, Trust},
		{"trust in somebody", `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":{"AWS":"alice"}}}`, "neither an account nor the ARN", Trust},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, err := Parse(tc.kind, tc.document)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("got %v, want an error about %q", err, tc.want)
			}
		})
	}
}

func TestResourcePatterns(t *testing.T) {
	const sg = "arn:aws:ec2:us-east-1:111122223333:security-group/sg-1"
	ctx := Context{"aws:username": {"a*e"}}
	for _, tc := range []struct {
		pattern, arn string
		want         bool
	}{
		{"*", sg, true},
		{"*", "*", true},
		{"arn:aws:ec2:*:*:*", "*", false},
		{"arn:aws:ec2:*:*:security-group/*", sg, true},
		{"arn:aws:ec2:us-*-1:111122223333:security-group/sg-?", sg, true},
		{"arn:aws:ec2:*:security-group/sg-1", sg, false}, // a * stays in its part
		{"arn:aws:ec2", sg, true},
		{"arn:aws:iam", sg, false},
		{"arn:aws:ec2:us-east-1:111122223333:Security-group/*", sg, false},
		{"arn:aws:ec2:*:*:x/${aws:username}", "arn:aws:ec2:r:1:x/a*e", true},
		{"arn:aws:ec2:*:*:x/${aws:username}", "arn:aws:ec2:r:1:x/alice", false}, // what a variable holds is no wildcard
		{"arn:aws:ec2:*:*:x/${aws:userid}", "arn:aws:ec2:r:1:x/", false},
		{"arn:aws:ec2:*:*:x/${aws:userid, 'none'}", "arn:aws:ec2:r:1:x/none", true},
		{"arn:aws:ec2:*:*:x/${*}", "arn:aws:ec2:r:1:x/*", true},
		{"arn:aws:ec2:*:*:x/${*}", "arn:aws:ec2:r:1:x/y", false},
	} {
		r, err := compileResource(tc.pattern, true)
		if err != nil {
			t.Errorf("%s: %v", tc.pattern, err)
		} else if got := r.match(tc.arn, ctx); got != tc.want {
			t.Errorf("%s matches %s: %v, want %v", tc.pattern, tc.arn, got, tc.want)
		}
	}
}

func TestOldLanguageHasNoVariables(t *testing.T) {
	for version, want := range map[string]Effect{"2008-10-17": Unmentioned, "2012-10-17": Allowed} {
		p, err := Parse(Identity, `{"Version":"`+version+`","Statement":{"Effect":"Allow","Action":"ec2:RunInstances","Resource":"arn:aws:ec2:::x/${aws:username}"}}`)
		if err != nil {
			t.Fatal(err)
		}
		d := Evaluate([]*Policy{p}, Request{Action: "ec2:RunInstances", Resource: "arn:aws:ec2:::x/alice", Context: Context{"aws:username": {"alice"}}})
		if d.Effect != want {
			t.Errorf("%s: %v, want %v", version, d.Effect, want)
		}
	}
}

func TestTrust(t *testing.T) {
	alice := Caller{Account: "111122223333", ARN: "arn:aws:iam::111122223333:user/alice"}
	session := Caller{Account: "111122223333", ARN: "arn:aws:sts::111122223333:assumed-role/ops/s", Role: "arn:aws:iam::111122223333:role/ops"}
	for _, tc := range []struct {
		principal string
		who       Caller
		effect    Effect
		named     bool
	}{
		{`"*"`, alice, Allowed, false},
		{`{"AWS":"111122223333"}`, alice, Allowed, false},
		{`{"AWS":"arn:aws:iam::111122223333:root"}`, alice, Allowed, false},
		{`{"AWS":"arn:aws:iam::444455556666:root"}`, alice, Unmentioned, false},
		{`{"AWS":["444455556666","arn:aws:iam::111122223333:user/alice"]}`, alice, Allowed, true},
		{`{"AWS":"arn:aws:iam::111122223333:user/bob"}`, alice, Unmentioned, false},
		{`{"AWS":"arn:aws:iam::111122223333:role/ops"}`, session, Allowed, true},
		{`{"AWS":"arn:aws:sts::111122223333:assumed-role/ops/s"}`, session, Allowed, true},
	} {
		p, err := Parse(Trust, `{"Statement":{"Effect":"Allow","Action":"sts:AssumeRole","Principal":`+tc.principal+`}}`)
		if err != nil {
			t.Fatal(err)
		}
		d, named := EvaluateTrust(p, tc.who, Request{Action: "sts:AssumeRole"})
		if d.Effect != tc.effect || named != tc.named {
			t.Errorf("%s trusts %s: %v %v, want %v %v", tc.principal, tc.who.ARN, d.Effect, named, tc.effect, tc.named)
		}
	}
	p, err := Parse(Trust, `{"Statement":[{"Effect":"Allow","Action":"sts:*","Principal":"*"},{"Effect":"Deny","Action":"sts:AssumeRole","Principal":{"AWS":"111122223333"}}]}`)
	if err != nil {
		t.Fatal(err)
	}
	if d, _ := EvaluateTrust(p, alice, Request{Action: "sts:AssumeRole"}); d.Effect != Denied {
		t.Errorf("a denial does not win: %v", d)
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"Version":"2012-10-17","Statement":[{"Sid":"A","Effect":"Allow","NotAction":["ec2:*"],"NotResource":"arn:aws:ec2:*:*:x/${aws:username, 'n'}","Condition":{"ForAllValues:StringLikeIfExists":{"aws:TagKeys":["a*",1,true]}}}]}`)
	f.Add(`{"Statement":{"Effect":"Deny","Action":"*","Principal":{"AWS":["111122223333"]},"Condition":{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}}}`)
	f.Fuzz(func(t *testing.T, document string) {
		for _, kind := range []Kind{Identity, Trust} {
			p, err := Parse(kind, document)
			if (p == nil) == (err == nil) {
				t.Fatalf("Parse gives %v and %v", p, err)
			}
			if err != nil {
				continue
			}
			r := Request{Action: "ec2:CreateVpc", Resource: "arn:aws:ec2:r:1:vpc/*", Context: Context{"aws:username": {"u"}, "aws:tagkeys": {"a", "b"}, "aws:sourceip": {"10.1.1.1"}}}
			a, b := Evaluate([]*Policy{p}, r), Evaluate([]*Policy{p, p}, r)
			if a.Effect != b.Effect {
				t.Fatalf("a policy given twice decides otherwise: %v, %v", a, b)
			}
			EvaluateTrust(p, Caller{Account: "111122223333"}, r)
		}
	})
}
