// SPDX-License-Identifier: Apache-2.0

package secgroup

import (
	"errors"
	"strings"
	"testing"
)

// expect fails unless err is an *Error with that code and message; an empty code
// expects none.
func expect(t *testing.T, err error, code, message string) {
	t.Helper()
	if code == "" {
		if err != nil {
			t.Errorf("unexpected error: %v", err)
		}
		return
	}
	var refusal *Error
	if !errors.As(err, &refusal) {
		t.Errorf("got %v, want %s: %s", err, code, message)
		return
	}
	if refusal.Code != code || refusal.Message != message {
		t.Errorf("got  %s: %s\nwant %s: %s", refusal.Code, refusal.Message, code, message)
	}
}

// invalid is expect for InvalidParameterValue; an empty message expects no error.
func invalid(t *testing.T, err error, message string) {
	t.Helper()
	code := "InvalidParameterValue"
	if message == "" {
		code = ""
	}
	expect(t, err, code, message)
}

func TestWellFormed(t *testing.T) {
	for _, tt := range []struct {
		prefix, id string
		want       bool
	}{
		{GroupPrefix, "sg-00000000", true},
		{GroupPrefix, "sg-0123456789abcdef0", true},
		{GroupPrefix, "sg-", false},
		{GroupPrefix, "sg", false},
		{GroupPrefix, "", false},
		{GroupPrefix, "sgabc", false},
		{GroupPrefix, "sg-000000000", false},
		{GroupPrefix, "sg-0123456789ABCDEF0", false},
		{GroupPrefix, "SG-00000000", false},
		{GroupPrefix, "sg-0000000g", false},
		{GroupPrefix, "sg-00000000 ", false},
		{GroupPrefix, "sgr-00000000", false},
		{GroupPrefix, "vpc-00000000", false},
		{VPCPrefix, "vpc-00000000", true},
		{VPCPrefix, "vpc-cidr-assoc-00000000", false},
		{VPCAssociationPrefix, "vpc-cidr-assoc-0123456789abcdef0", true},
		{InterfacePrefix, "eni-attach-00000000", false},
		{AttachmentPrefix, "eni-attach-00000000", true},
		{InstancePrefix, "i-0123456789abcdef0", true},
	} {
		if got := WellFormed(tt.prefix, tt.id); got != tt.want {
			t.Errorf("WellFormed(%q, %q) = %v", tt.prefix, tt.id, got)
		}
	}
}

func TestWellFormedRule(t *testing.T) {
	for id, want := range map[string]bool{
		"sgr-00000000":                      true,
		"sgr-0123456789abcdef0":             true,
		"sgr-":                              true,
		"sgr-NotHexButShort":                true,
		"sgr-" + strings.Repeat("0", 18):    false,
		"10.0.0.1":                          false,
		"sg-00000000":                       false,
		"":                                  false,
		"sgr":                               false,
		"x-sgr-00000000":                    false,
		"sgr-0123456789abcdef0123456789abc": false,
	} {
		if got := WellFormedRule(id); got != want {
			t.Errorf("WellFormedRule(%q) = %v", id, got)
		}
	}
}

func TestCheckID(t *testing.T) {
	expect(t, CheckID(GroupPrefix, "sg-00000000", "InvalidGroupId.Malformed"), "", "")
	expect(t, CheckID(GroupPrefix, `sg"abc`, "InvalidGroupId.Malformed"), "InvalidGroupId.Malformed", `Invalid id: "sg"abc" (expecting "sg-...")`)
	expect(t, CheckID(InterfacePrefix, "x", "InvalidNetworkInterfaceId.Malformed"), "InvalidNetworkInterfaceId.Malformed", `Invalid id: "x" (expecting "eni-...")`)
}
