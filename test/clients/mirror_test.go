// SPDX-License-Identifier: Apache-2.0

package clients_test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// awsProvider is where a filesystem mirror of Terraform providers keeps ours.
const awsProvider = "registry.terraform.io/hashicorp/aws"

var mirrorPath = regexp.MustCompile(`(?s)filesystem_mirror\s*\{.*?path\s*=\s*"([^"]+)"`)

// mirror returns a folder that Terraform can install the AWS provider from
// without a network, or why there is none.
func mirror() (folder, missing string) {
	if _, err := exec.LookPath("terraform"); err != nil {
		return "", "there is no terraform on this machine"
	}
	home, _ := os.UserHomeDir()
	places := []string{
		"/usr/share/terraform/plugins", "/usr/local/share/terraform/plugins",
		filepath.Join(home, ".terraform.d/plugins"), filepath.Join(home, ".local/share/terraform/plugins"),
	}
	for _, file := range []string{os.Getenv("TF_CLI_CONFIG_FILE"), filepath.Join(home, ".terraformrc")} {
		text, _ := os.ReadFile(file) // one that is not there names no mirror
		for _, m := range mirrorPath.FindAllSubmatch(text, -1) {
			places = append(places, string(m[1]))
		}
	}
	opt, _ := filepath.Glob("/opt/*")
	places = append(places, opt...)
	for _, p := range places {
		// A folder per version, or an archive per version and platform.
		if found, _ := filepath.Glob(filepath.Join(p, awsProvider, "*")); len(found) > 0 {
			return p, ""
		}
	}
	slices.Sort(places)
	return "", fmt.Sprintf("none of these folders has %s: %s. Make one with `terraform providers mirror`",
		awsProvider, strings.Join(slices.Compact(places), ", "))
}
