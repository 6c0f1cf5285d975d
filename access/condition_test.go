// SPDX-License-Identifier: Apache-2.0

package access

import (
	"bytes"
	"errors"
	"testing"
)

func TestConditions(t *testing.T) {
	ctx := Context{}
	ctx.Add("aws:username", "alice")
	ctx.Add("aws:SourceIp", "10.1.2.3")
	ctx.Add("aws:TagKeys", "env", "team")
	ctx.Add("aws:SecureTransport", "false")
	ctx.Add("aws:CurrentTime", "2026-05-01T12:00:00Z")
	ctx.Add("aws:EpochTime", "1777636800")
	ctx.Add("ec2:Vpc", "arn:aws:ec2:us-east-1:111122223333:vpc/vpc-1")
	ctx.Add("aws:RequestTag/Env", "prod")
	for condition, want := range map[string]bool{
		`{"StringEquals":{"aws:username":"alice"}}`:                                       true,
		`{"StringEquals":{"aws:username":["bob","alice"]}}`:                               true,
		`{"StringEquals":{"aws:username":"al*"}}`:                                         false,
		`{"StringEquals":{"aws:username":"Alice"}}`:                                       false,
		`{"StringEqualsIgnoreCase":{"aws:username":"ALICE"}}`:                             true,
		`{"StringNotEqualsIgnoreCase":{"aws:username":"ALICE"}}`:                          false,
		`{"StringLike":{"aws:UserName":"al*e"}}`:                                          true,
		`{"StringLike":{"aws:username":"a?ice"}}`:                                         true,
		`{"StringNotLike":{"aws:username":["b*","al*"]}}`:                                 false,
		`{"StringNotEquals":{"aws:username":["bob","carol"]}}`:                            true,
		`{"StringNotEquals":{"aws:userid":"x"}}`:                                          true, // absent
		`{"StringEquals":{"aws:userid":"x"}}`:                                             false,
		`{"StringEqualsIfExists":{"aws:userid":"x"}}`:                                     true,
		`{"StringEqualsIfExists":{"aws:username":"x"}}`:                                   false,
		`{"Null":{"aws:userid":"true"}}`:                                                  true,
		`{"Null":{"aws:username":true}}`:                                                  false,
		`{"Null":{"aws:username":"false"}}`:                                               true,
		`{"Bool":{"aws:SecureTransport":"false"}}`:                                        true,
		`{"Bool":{"aws:SecureTransport":"true"}}`:                                         false,
		`{"BoolIfExists":{"aws:MultiFactorAuthPresent":"true"}}`:                          true,
		`{"IpAddress":{"aws:SourceIp":"10.0.0.0/8"}}`:                                     true,
		`{"IpAddress":{"aws:SourceIp":["10.1.2.4","2001:db8::/32"]}}`:                     false,
		`{"NotIpAddress":{"aws:SourceIp":"10.1.2.3"}}`:                                    false,
		`{"DateLessThan":{"aws:CurrentTime":"2026-05-01T12:00:01Z"}}`:                     true,
		`{"DateGreaterThan":{"aws:CurrentTime":"2026-05-01"}}`:                            true,
		`{"DateGreaterThanEquals":{"aws:CurrentTime":"2027-01-01T00:00Z"}}`:               false,
		`{"DateEquals":{"aws:CurrentTime":1777636800}}`:                                   true,
		`{"NumericLessThanEquals":{"aws:EpochTime":1777636800}}`:                          true,
		`{"NumericGreaterThan":{"aws:EpochTime":"1777636800"}}`:                           false,
		`{"NumericEquals":{"aws:username":"1"}}`:                                          false,
		`{"NumericNotEquals":{"aws:EpochTime":[1,2]}}`:                                    true,
		`{"ArnEquals":{"ec2:Vpc":"arn:aws:ec2:*:*:vpc/vpc-1"}}`:                           true,
		`{"ArnLike":{"ec2:Vpc":"arn:aws:ec2:us-east-1:*:vpc/vpc-2"}}`:                     false,
		`{"ArnNotLike":{"ec2:Vpc":"arn:aws:ec2:us-east-1:*:vpc/vpc-2"}}`:                  true,
		`{"ForAllValues:StringEquals":{"aws:TagKeys":["env","team","x"]}}`:                true,
		`{"ForAllValues:StringEquals":{"aws:TagKeys":["env"]}}`:                           false,
		`{"ForAnyValue:StringEquals":{"aws:TagKeys":["env"]}}`:                            true,
		`{"ForAnyValue:StringNotEquals":{"aws:TagKeys":["env"]}}`:                         true,
		`{"ForAllValues:StringNotEquals":{"aws:TagKeys":["env"]}}`:                        false,
		`{"ForAllValues:StringEquals":{"aws:RequestTag/x":"y"}}`:                          true,
		`{"ForAnyValue:StringEquals":{"aws:RequestTag/x":"y"}}`:                           false,
		`{"StringEquals":{"aws:requesttag/env":"prod"}}`:                                  true,
		`{"StringEquals":{"aws:username":"${aws:username}"}}`:                             true,
		`{"StringEquals":{"aws:username":"${aws:userid}"}}`:                               false,
		`{"StringEquals":{"aws:username":"alice","aws:RequestTag/Env":"x"}}`:              false,
		`{"StringEquals":{"aws:username":"alice"},"Bool":{"aws:SecureTransport":"true"}}`: false,
		`{}`: true,
	} {
		p, err := Parse(Identity, `{"Version":"2012-10-17","Statement":{"Effect":"Allow","Action":"ec2:CreateVpc","Resource":"*","Condition":`+condition+`}}`)
		if err != nil {
			t.Errorf("%s: %v", condition, err)
			continue
		}
		if got := Evaluate([]*Policy{p}, Request{Action: "EC2:createvpc", Resource: "*", Context: ctx}).Effect == Allowed; got != want {
			t.Errorf("%s: %v, want %v", condition, got, want)
		}
	}
}

func TestSeal(t *testing.T) {
	s := RandomSeal()
	sealed := s.Close("key AKIA1", []byte("secret"))
	if bytes.Contains(sealed, []byte("secret")) {
		t.Error("the secret can be read")
	}
	if plain, err := s.Open("key AKIA1", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("opened: %q, %v", plain, err)
	}
	if bytes.Equal(sealed, s.Close("key AKIA1", []byte("secret"))) {
		t.Error("sealed twice, it looks the same")
	}
	for i := range sealed {
		changed := bytes.Clone(sealed)
		changed[i] ^= 1
		if _, err := s.Open("key AKIA1", changed); !errors.Is(err, ErrSeal) {
			t.Errorf("opened with byte %d changed: %v", i, err)
		}
		if _, err := s.Open("key AKIA1", sealed[:i]); !errors.Is(err, ErrSeal) {
			t.Errorf("opened with %d bytes: %v", i, err)
		}
	}
	if _, err := s.Open("key AKIA2", sealed); !errors.Is(err, ErrSeal) {
		t.Errorf("opened for another purpose: %v", err)
	}
	if _, err := RandomSeal().Open("key AKIA1", sealed); !errors.Is(err, ErrSeal) {
		t.Errorf("opened with another key: %v", err)
	}
	if _, err := NewSeal(make([]byte, 16)); err == nil {
		t.Error("a short key is taken")
	}
}
