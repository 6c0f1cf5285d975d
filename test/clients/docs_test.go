// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/test/rig"
)

// guide is a page of docs/clients: the files that it has its reader write, and the
// commands that it has him run, with what they print.
type guide struct {
	files    map[string]string
	commands []command
}

// command is a block of commands; prints is nil when the page does not say.
type command struct {
	run    string
	prints *string
}

var fenced = regexp.MustCompile("(?ms)^```([a-z]*)(?: (\\S+))?\n(.*?)^```$")

// readGuide reads a page. Blocks of sh are run; one without a language is what the
// block before it prints; one of another language and with a name is a file; shell
// is for what this test's environment has done already.
func readGuide(t *testing.T, path string) guide {
	t.Helper()
	g := guide{files: map[string]string{}}
	for _, m := range fenced.FindAllStringSubmatch(read(t, path), -1) {
		language, name, text := m[1], m[2], m[3]
		switch {
		case language == "sh":
			g.commands = append(g.commands, command{run: text})
		case language == "shell":
		case language == "" && len(g.commands) > 0:
			g.commands[len(g.commands)-1].prints = &text
		case name != "":
			g.files[name] = text
		default:
			t.Fatalf("%s: there is a block that is neither run nor a file:\n%s", path, text)
		}
	}
	if len(g.commands) == 0 {
		t.Fatalf("%s has no commands", path)
	}
	return g
}

// follow does what a page says, in an empty folder and in a Region of its own, and
// wants it to print what the page says.
func follow(t *testing.T, page, region string, environ ...string) {
	t.Helper()
	api := rig.Shared(t).API
	here := strings.NewReplacer("http://127.0.0.1:4566", api.Endpoint, "us-east-1", region)
	g := readGuide(t, filepath.Join("../../docs/clients", page))
	dir := t.TempDir()
	for name, text := range g.files {
		write(t, filepath.Join(dir, name), here.Replace(text))
	}
	if page == "sdk-go.md" { // instead of the network, what this module has
		for _, name := range []string{"go.mod", "go.sum"} {
			write(t, filepath.Join(dir, name), read(t, filepath.Join("../..", name)))
		}
	}
	const end = "== end of block"
	script := "set -e\n"
	for _, c := range g.commands {
		script += here.Replace(c.run) + "echo '" + end + "'\n"
	}
	c := rig.Tool{Dir: dir, Limit: 5 * time.Minute, Environ: api.Environ(append(environ, "AWS_REGION="+region, "AWS_DEFAULT_REGION="+region)...)}
	out, status := c.Run(t, "bash", "-c", script)
	blocks := strings.Split(out, end+"\n")
	if status != 0 || len(blocks) != len(g.commands)+1 {
		t.Fatalf("%s: status %d after %d blocks of %d:\n%s", page, status, len(blocks)-1, len(g.commands), out)
	}
	for n, c := range g.commands {
		if c.prints != nil && blocks[n] != *c.prints {
			t.Errorf("%s, block %d prints\n%s\nand not what the page says:\n%s", page, n+1, blocks[n], *c.prints)
		}
	}
}

// TestGuides follows every page of docs/clients but Terraform's, which
// TestTerraformGuide follows where there is a provider.
func TestGuides(t *testing.T) {
	t.Parallel()
	scratch := t.TempDir()
	pages := map[string]struct {
		region  string
		environ []string
	}{
		"aws-cli.md": {"eu-west-1", []string{"PATH=" + knownCLI(t)}},
		"boto3.md":   {"eu-west-2", []string{"PYTHONWARNINGS=ignore"}},
		"sdk-go.md":  {"eu-central-1", []string{"GOFLAGS=-mod=mod", "GOPROXY=off"}},
		"ansible.md": {"ap-south-1", []string{
			"ANSIBLE_PYTHON_INTERPRETER=" + python3, "ANSIBLE_LOCAL_TEMP=" + scratch, "ANSIBLE_REMOTE_TEMP=" + scratch, "ANSIBLE_HOME=" + scratch,
		}},
	}
	all, err := filepath.Glob("../../docs/clients/*.md")
	if err != nil || len(all) != len(pages)+2 {
		t.Errorf("docs/clients holds %v, %v; want a test for each", all, err)
	}
	for page, p := range pages {
		t.Run(page, func(t *testing.T) {
			t.Parallel()
			follow(t, page, p.region, p.environ...)
		})
	}
}

// knownCLI returns a PATH on which the AWS CLI knows the endpoint, as the page
// says that older ones have to be told it.
func knownCLI(t *testing.T) string {
	t.Helper()
	path := os.Getenv("PATH")
	if rig.ProfileHasEndpoint() {
		return path
	}
	aws, err := exec.LookPath("aws")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	text := fmt.Sprintf("#!/bin/sh\nexec %s --endpoint-url %s \"$@\"\n", aws, rig.Shared(t).API.Endpoint)
	if err := os.WriteFile(filepath.Join(dir, "aws"), []byte(text), 0o700); err != nil {
		t.Fatal(err)
	}
	return dir + ":" + path
}
