// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/hedgeward/hedgeward/test/rig"
)

// python3 is the interpreter of the distribution. Packages that are installed
// through apt are its.
const python3 = "/usr/bin/python3"

// interpreters returns every Python on this machine that has boto3, by the
// version of boto3: the distribution's, and the first on the path, which may have
// a newer one.
func interpreters(t *testing.T) map[string]string {
	t.Helper()
	found := map[string]string{}
	for _, name := range []string{python3, "python3"} {
		version, err := exec.Command(name, "-c", "import boto3; print(boto3.__version__)").Output()
		if err == nil {
			found[strings.TrimSpace(string(version))] = name
		}
	}
	if len(found) == 0 {
		t.Fatal("no python3 on this machine has boto3: run make setup, or install python3-boto3")
	}
	return found
}

var ran = regexp.MustCompile(`(?m)^Ran (\d+) tests? in `)

// pythonRegions are Regions that no other client uses, one for each interpreter:
// what a listing shows does not change under the tests that read it by pages.
var pythonRegions = []string{"eu-west-3", "eu-north-1"}

func TestBoto3(t *testing.T) {
	t.Parallel()
	found := interpreters(t)
	for n, version := range slices.Sorted(maps.Keys(found)) {
		t.Run(version, func(t *testing.T) {
			t.Parallel()
			s, region := rig.Shared(t), pythonRegions[n]
			for _, quota := range []string{"vpcs-per-region", "internet-gateways-per-region"} {
				s.Command(t, "quota", "set", quota, "20", "--region", region)
			}
			c := rig.Tool{Dir: "testdata/boto3", Limit: 5 * time.Minute, Environ: s.API.Environ(
				"AWS_ENDPOINT_URL="+s.API.Endpoint, "AWS_DEFAULT_REGION="+region, "PYTHONDONTWRITEBYTECODE=1", "PYTHONWARNINGS=ignore",
			)}
			// unittest writes everything to its standard error.
			out, status := c.Run(t, "sh", "-c", `exec "$0" -m unittest -v 2>&1`, found[version])
			n := 0
			if m := ran.FindStringSubmatch(out); m != nil {
				n, _ = strconv.Atoi(m[1])
			}
			if want := boto3Tests(t); status != 0 || n != want {
				t.Errorf("status %d after %d tests of %d:\n%s", status, n, want, out)
			}
		})
	}
}

// boto3Tests counts the tests that are to run.
func boto3Tests(t *testing.T) int {
	t.Helper()
	files, err := filepath.Glob("testdata/boto3/test_*.py")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, f := range files {
		n += strings.Count(read(t, f), "\n    def test_")
	}
	if n == 0 {
		t.Fatal("testdata/boto3 holds no test")
	}
	return n
}
