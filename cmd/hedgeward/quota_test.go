// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/hedgeward/hedgeward/control"
	"github.com/hedgeward/hedgeward/secgroup"
)

// oneQuota is an operator that keeps one limit of one account.
type oneQuota struct {
	operator
	value int
}

func (o *oneQuota) Quotas(scope secgroup.Scope) (scopedQuotas, error) {
	return scopedQuotas{scope, []control.QuotaValue{{Name: "vpcs-per-region", Value: o.value, Default: 5, Max: 10, Set: o.value != 5}}}, nil
}

func (o *oneQuota) SetQuota(_ context.Context, scope secgroup.Scope, name string, value int) (scopedQuotas, error) {
	if name != "vpcs-per-region" {
		return scopedQuotas{}, errors.New("there is no quota of that name")
	}
	o.value = value
	return o.Quotas(scope)
}

func (o *oneQuota) ResetQuota(_ context.Context, scope secgroup.Scope, _ string) (scopedQuotas, error) {
	o.value = 5
	return o.Quotas(scope)
}

// TestQuotasOverTheSocket takes commands the way from the command line to the
// server and back.
func TestQuotasOverTheSocket(t *testing.T) {
	st := &state{dir: t.TempDir()}
	l, err := st.listenSocket()
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	served := make(chan struct{})
	go func() {
		defer close(served)
		serveSocket(ctx, l, &oneQuota{value: 5}, func(context.Context) error { return nil })
	}()
	t.Cleanup(func() { cancel(); <-served })

	at := quotaTarget{account: "111122223333", region: "us-east-1"}
	for _, tt := range []struct {
		method, name, value string
		want                string // the table's last line, or part of the error
	}{
		{"GET", "", "", "vpcs-per-region  5      5        10"},
		{"PUT", "vpcs-per-region", "7", "vpcs-per-region  7 (set)  5        10"},
		{"PUT", "vpcs-per-region", "many", `"many" is no number`},
		{"PUT", "vpcs", "7", "there is no quota of that name"},
		{"DELETE", "vpcs-per-region", "", "vpcs-per-region  5      5        10"},
	} {
		var out strings.Builder
		in, err := at.ask(t.Context(), st, tt.method, "/quota", tt.name, tt.value)
		if err != nil {
			out.WriteString(err.Error())
		} else if err := in.print(&out); err != nil || !strings.Contains(out.String(), "111122223333 in us-east-1") {
			t.Errorf("%v: printed %s", err, &out)
		}
		if !strings.Contains(out.String(), tt.want) {
			t.Errorf("%s %s %s: %s, want %q", tt.method, tt.name, tt.value, &out, tt.want)
		}
	}
	if _, err := (quotaTarget{}).ask(t.Context(), &state{dir: t.TempDir()}, "GET", "/quota", "", ""); err == nil || !strings.Contains(err.Error(), "hedgeward up") {
		t.Errorf("without a server: %v", err)
	}
}
