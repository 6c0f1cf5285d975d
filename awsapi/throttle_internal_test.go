// SPDX-License-Identifier: Apache-2.0

package awsapi

import (
	"testing"
	"time"
)

// TestThrottle is section 1.11 of docs/spec/ec2-api.md on a clock of its own.
func TestThrottle(t *testing.T) {
	now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	limit := newThrottle(Rates{ClassMutate: {PerSecond: 2, Burst: 3}, ClassRun: {PerSecond: 0.5, Burst: 1}}, func() time.Time { return now })
	alice, bob := Caller{Account: "1", Region: "r"}, Caller{Account: "2", Region: "r"}
	elsewhere := Caller{Account: "1", Region: "s"}
	take := func(c Caller, action string, n int) (admitted int) {
		for range n {
			if limit.admits(&c, ClassOf(action)) {
				admitted++
			}
		}
		return admitted
	}
	for _, step := range []struct {
		what     string
		after    time.Duration
		who      Caller
		action   string
		calls    int
		admitted int
	}{
		{"a full bucket", 0, alice, "CreateVpc", 5, 3},
		{"an operation of the same class", 0, alice, "DeleteVpc", 1, 0},
		{"one nobody knows", 0, alice, "Nonsense", 1, 0},
		{"another class", 0, alice, "RunInstances", 2, 1},
		{"a class without a limit", 0, alice, "DescribeVpcs", 100, 100},
		{"another account", 0, bob, "CreateVpc", 5, 3},
		{"another Region", 0, elsewhere, "CreateVpc", 5, 3},
		{"not yet a token", 499 * time.Millisecond, alice, "CreateVpc", 1, 0},
		{"a token", time.Millisecond, alice, "CreateVpc", 2, 1},
		{"half a token", time.Second, alice, "StartInstances", 1, 0},
		{"the other half", time.Second / 2, alice, "StartInstances", 2, 1},
		{"never above the burst", time.Hour, alice, "CreateVpc", 5, 3},
		{"a clock set back", -2 * time.Hour, alice, "CreateVpc", 1, 0},
		{"and on its way again", time.Second, alice, "CreateVpc", 5, 2},
	} {
		now = now.Add(step.after)
		if got := take(step.who, step.action, step.calls); got != step.admitted {
			t.Errorf("%s: %d of %d calls, want %d", step.what, got, step.calls, step.admitted)
		}
	}
	if n := len(limit.buckets); n > 3*3 {
		t.Errorf("%d buckets for three callers", n)
	}
}

func TestRatesInFlags(t *testing.T) {
	for text, want := range map[string]Rates{
		"":                                {},
		"run=0.5:2":                       {ClassRun: {0.5, 2}},
		"mutate=5:50,describe=20:100":     {ClassMutate: {5, 50}, ClassDescribe: {20, 100}},
		"mutate=1:1,describe=1:1,run=1:1": {ClassMutate: {1, 1}, ClassDescribe: {1, 1}, ClassRun: {1, 1}},
	} {
		var got, again Rates
		if err := got.UnmarshalText([]byte(text)); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
		written, err := got.MarshalText()
		if err != nil || again.UnmarshalText(written) != nil || again != want {
			t.Errorf("%q is written as %q, %v", text, written, err)
		}
	}
	for _, text := range []string{"run", "run=", "run=1", "run=0:1", "run=1:0", "run=-1:1", "run=NaN:1", "run=Inf:1", "run=1:1,run=1:1", "walk=1:1", "run=1:1,", "run=1:2:3", "run=1:9999999"} {
		var got Rates
		if err := got.UnmarshalText([]byte(text)); err == nil {
			t.Errorf("%q was taken as %v", text, got)
		}
	}
}
