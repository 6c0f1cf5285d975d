// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/ec2"

	"github.com/hedgeward/hedgeward/test/rig"
)

// terraform is a folder with a configuration and a state.
type terraform struct{ rig.Tool }

// providers returns the environment in which terraform finds the provider. There
// is no distribution that has it.
func providers(t *testing.T) []string {
	t.Helper()
	folder, missing := mirror()
	if missing != "" {
		t.Skip("SKIPPED, NOTHING WAS TESTED WITH TERRAFORM: " + missing)
	}
	config := filepath.Join(t.TempDir(), "terraform.rc")
	write(t, config, fmt.Sprintf("provider_installation {\n  filesystem_mirror {\n    path = %q\n  }\n}\n", folder))
	return []string{"TF_CLI_CONFIG_FILE=" + config, "TF_IN_AUTOMATION=1", "TF_INPUT=0", "CHECKPOINT_DISABLE=1"}
}

// newTerraform returns a folder with a configuration of testdata and the
// provider installed.
func newTerraform(t *testing.T, folder string) *terraform {
	t.Helper()
	environ, base := providers(t), t.TempDir()
	f := &terraform{rig.Tool{Dir: base, Limit: 4 * time.Minute, Environ: rig.Shared(t).API.Environ(environ...)}}
	if err := os.CopyFS(base, os.DirFS(filepath.Join("testdata", folder))); err != nil {
		t.Fatal(err)
	}
	f.want(t, "init", "-no-color")
	return f
}

// TestTerraformGuide follows docs/clients/terraform.md.
func TestTerraformGuide(t *testing.T) {
	t.Parallel()
	follow(t, "terraform.md", "ap-southeast-2", providers(t)...)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// want runs terraform and wants it to succeed.
func (f *terraform) want(t *testing.T, args ...string) string {
	t.Helper()
	out, status := f.Run(t, "terraform", args...)
	if status != 0 {
		t.Fatalf("terraform %s ends with status %d:\n%s", strings.Join(args, " "), status, out)
	}
	return out
}

// empty wants a plan that changes nothing.
func (f *terraform) empty(t *testing.T, second string) {
	t.Helper()
	out, status := f.Run(t, "terraform", "plan", "-no-color", "-detailed-exitcode", "-var=second="+second)
	if status != 0 {
		t.Fatalf("the plan after an apply is not empty (status %d):\n%s", status, out)
	}
}

// planned is a saved plan or a state, as terraform show -json describes it.
type planned struct {
	Changes []struct {
		Address string
		Change  struct {
			Actions   []string
			Importing *struct{ ID string }
		}
	} `json:"resource_changes"`
	Values struct {
		Root struct {
			Resources []resource
		} `json:"root_module"`
	}
}

type resource struct {
	Address, Type string
	Values        map[string]any
}

// text returns an attribute, "" for one that is not there.
func (r resource) text(name string) string {
	if r.Values[name] == nil {
		return ""
	}
	return fmt.Sprint(r.Values[name])
}

func (r resource) list(name string) []string {
	var out []string
	all, _ := r.Values[name].([]any)
	for _, v := range all {
		out = append(out, fmt.Sprint(v))
	}
	return out
}

func (f *terraform) show(t *testing.T, saved ...string) planned {
	t.Helper()
	var p planned
	if err := json.Unmarshal([]byte(f.want(t, append([]string{"show", "-json"}, saved...)...)), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// actions returns the addresses that a saved plan does something to, by what it
// does: update, create, delete.
func (p planned) actions() map[string][]string {
	out := map[string][]string{}
	for _, c := range p.Changes {
		if what := strings.Join(c.Change.Actions, " "); what != "no-op" {
			out[what] = append(out[what], c.Address)
		}
	}
	return out
}

// importID returns by what name a resource is imported: its id, unless the
// provider's documentation wants something else.
func (r resource) importID() string {
	switch r.Type {
	case "aws_security_group_rule":
		peers := slices.Concat(r.list("cidr_blocks"), r.list("ipv6_cidr_blocks"), r.list("prefix_list_ids"))
		if peer := r.text("source_security_group_id"); peer != "" {
			peers = append(peers, peer)
		}
		if r.text("self") == "true" {
			peers = append(peers, "self")
		}
		return strings.Join(append([]string{
			r.text("security_group_id"), r.text("type"), r.text("protocol"), r.text("from_port"), r.text("to_port"),
		}, peers...), "_")
	case "aws_network_interface_sg_attachment":
		return r.text("network_interface_id") + "_" + r.text("security_group_id")
	case "aws_route":
		return r.text("route_table_id") + "_" + r.text("destination_cidr_block")
	case "aws_route_table_association":
		return r.text("subnet_id") + "/" + r.text("route_table_id")
	case "aws_ec2_managed_prefix_list_entry":
		return r.text("prefix_list_id") + "," + r.text("cidr")
	case "aws_vpc_security_group_vpc_association":
		return r.text("security_group_id") + "," + r.text("vpc_id")
	}
	return r.text("id")
}

// TestTerraform takes every resource that decides what packets pass through its life: made,
// found unchanged by the second plan, updated in place, forgotten and imported,
// destroyed.
func TestTerraform(t *testing.T) {
	t.Parallel()
	f := newTerraform(t, "terraform")

	f.want(t, "apply", "-no-color", "-auto-approve")
	f.empty(t, "false")

	f.want(t, "plan", "-no-color", "-var=second=true", "-out=second.plan")
	update := f.show(t, "second.plan").actions()
	for what, addresses := range update {
		if what != "update" {
			t.Errorf("the second configuration wants to %s %s", what, addresses)
		}
	}
	if got := sorted(update["update"]); !slices.Equal(got, changedInPlace) {
		t.Errorf("updated in place are %s\nwant %s", got, changedInPlace)
	}
	f.want(t, "apply", "-no-color", "second.plan")
	f.empty(t, "true")

	made := f.show(t).Values.Root.Resources
	f.forget(t, made)
	f.want(t, "plan", "-no-color", "-var=second=true", "-out=import.plan")
	plan := f.show(t, "import.plan")
	imported := 0
	for _, c := range plan.Changes {
		if c.Change.Importing != nil {
			imported++
		}
	}
	if imported != len(made) {
		t.Errorf("the plan imports %d of %d resources", imported, len(made))
	}
	for what, addresses := range plan.actions() {
		for _, a := range addresses {
			if what != "update" || !slices.Contains(localAttributes, a) {
				t.Errorf("after the import terraform wants to %s %s", what, a)
			}
		}
	}
	f.want(t, "apply", "-no-color", "import.plan")
	f.empty(t, "true")

	f.want(t, "destroy", "-no-color", "-auto-approve", "-var=second=true")
	for _, r := range made {
		if r.Type == "aws_vpc" {
			wantNoVPC(t, r.text("id"))
		}
	}
}

// forget drops the state and asks for the import of everything that was in it.
func (f *terraform) forget(t *testing.T, made []resource) {
	t.Helper()
	var blocks strings.Builder
	for _, r := range made {
		fmt.Fprintf(&blocks, "import {\n  to = %s\n  id = %q\n}\n\n", r.Address, r.importID())
	}
	write(t, filepath.Join(f.Dir, "imports.tf"), blocks.String())
	if err := os.Rename(filepath.Join(f.Dir, "terraform.tfstate"), filepath.Join(f.Dir, "forgotten")); err != nil {
		t.Fatal(err)
	}
}

func sorted[T cmp.Ordered](in []T) []T {
	slices.Sort(in)
	return in
}

// wantNoVPC asks the API, by a client that has made nothing, whether a VPC is
// gone, and so everything that was in it.
func wantNoVPC(t *testing.T, id string) {
	t.Helper()
	_, err := rig.Shared(t).API.DescribeVpcs(t.Context(), &ec2.DescribeVpcsInput{VpcIds: []string{id}})
	rig.WantCode(t, "describe "+id+" after it was destroyed", err, "InvalidVpcID.NotFound")
}
