// SPDX-License-Identifier: Apache-2.0

package packaging

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// programs by package.
var programs = map[string]string{"hedgeward-server": "hedgeward", "hedgeward-agent": "hedgeward-agent"}

// run runs a command and returns what it printed.
func run(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), name, args...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return string(out)
}

// inCopy runs a script of the shell in a copy of this machine's root. What it
// writes is gone when it ends.
const inCopy = `set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mkdir -p "$1/root/packages"
cp "$2"/*.deb "$1/root/packages"
mount -t proc proc "$1/root/proc"
exec chroot "$1/root" /bin/sh -ec "$3"`

func TestDebianPackages(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Fatal("this test mounts and must run as root")
	}
	out := t.TempDir()
	built := strings.Fields(run(t, "../../packaging/deb/build.sh", "1.2.3", out))
	if len(built) != len(programs) {
		t.Fatalf("built %q, want %d packages", built, len(programs))
	}
	for _, deb := range built {
		for _, field := range []string{"Version", "Architecture", "Description"} {
			if got := strings.TrimSpace(run(t, "dpkg-deb", "-f", deb, field)); got == "" || strings.Contains(got, "@") {
				t.Errorf("%s: field %s is %q", deb, field, got)
			}
		}
	}
	script := `
dpkg -i /packages/*.deb
hedgeward --version
hedgeward-agent --version
CNI_COMMAND=VERSION /usr/lib/cni/hedgeward-cni | grep -q 1.1.0
test -s /usr/share/doc/hedgeward-agent/examples/hedgeward.conflist
/usr/share/hedgeward-agent/libvirt-qemu guest restore begin - </dev/null
test "$(stat -c %a /etc/hedgeward/server.env /etc/hedgeward/agent.env | sort -u)" = 640
test "$(stat -c %G /etc/hedgeward/server.env)" = hedgeward
systemd-analyze verify /usr/lib/systemd/system/hedgeward-server.service /usr/lib/systemd/system/hedgeward-agent.service
set -a; . /etc/hedgeward/server.env; set +a
setpriv --reuid hedgeward --regid hedgeward --clear-groups hedgeward server --help | grep -q etcd-endpoints
dpkg -r hedgeward-server hedgeward-agent
test -e /etc/hedgeward/server.env
dpkg -P hedgeward-server hedgeward-agent
test ! -e /etc/hedgeward/server.env
echo done`
	said := run(t, "unshare", "--mount", "--propagation", "private", "sh", "-ec", inCopy, "sh", t.TempDir(), out, script)
	for _, want := range []string{"hedgeward version 1.2.3", "hedgeward-agent version 1.2.3", "done"} {
		if !strings.Contains(said, want) {
			t.Errorf("the installation does not say %q:\n%s", want, said)
		}
	}
	if _, err := os.Stat("/etc/hedgeward"); err == nil {
		t.Error("the test installed something on this machine: /etc/hedgeward")
	}
}

var (
	variable = regexp.MustCompile(`(?m)^#?HEDGEWARD_([A-Z_]+)=`)
	word     = regexp.MustCompile(`--([a-z-]+)`)
)

// Every setting of the samples is a flag of the program: variables that stand for
// flags for the server, flags in one variable for the agent.
func TestSampleSettings(t *testing.T) {
	for _, sample := range []struct {
		file    string
		command []string
		setting *regexp.Regexp
	}{{"server.env", []string{"hedgeward", "server"}, variable}, {"agent.env", []string{"hedgeward-agent", "run"}, word}} {
		text, err := os.ReadFile(filepath.Join("../../packaging/config", sample.file))
		if err != nil {
			t.Fatal(err)
		}
		help := run(t, "go", "run", "../../cmd/"+sample.command[0], sample.command[1], "--help")
		settings := sample.setting.FindAllStringSubmatch(string(text), -1)
		if len(settings) == 0 {
			t.Errorf("%s sets nothing", sample.file)
		}
		for _, s := range settings {
			flag := "--" + strings.ToLower(strings.ReplaceAll(s[1], "_", "-"))
			if !strings.Contains(help, flag+" ") {
				t.Errorf("%s sets %s, but %s has no flag %s", sample.file, s[0], strings.Join(sample.command, " "), flag)
			}
		}
	}
}

// The container image holds what its recipe builds: one file that needs no other.
func TestContainerRecipe(t *testing.T) {
	text, err := os.ReadFile("../../packaging/container/Containerfile")
	if err != nil {
		t.Fatal(err)
	}
	var build string
	for line := range strings.Lines(string(text)) {
		if c, ok := strings.CutPrefix(line, "RUN CGO_ENABLED=0 go build "); ok {
			build = c
		}
	}
	if build == "" {
		t.Fatal("the recipe builds nothing")
	}
	program := filepath.Join(t.TempDir(), "hedgeward")
	build = strings.NewReplacer("/hedgeward ", program+" ", "$VERSION", "1.2.3").Replace(build)
	cmd := exec.CommandContext(t.Context(), "sh", "-ec", "CGO_ENABLED=0 go build "+build)
	cmd.Dir = "../.."
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	root := t.TempDir()
	if err := os.Link(program, filepath.Join(root, "hedgeward")); err != nil {
		t.Fatal(err)
	}
	if said := run(t, "chroot", root, "/hedgeward", "--version"); !strings.Contains(said, "1.2.3") {
		t.Errorf("the program alone says %q", said)
	}
}
