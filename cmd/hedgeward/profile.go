// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/hedgeward/hedgeward/secgroup"
)

// profileName is the AWS profile that clients name to reach this installation.
const profileName = "hedgeward"

// writeProfile writes the profile with which every AWS client reaches this
// installation, readable for root alone.
func (s *state) writeProfile(key *secgroup.AccessKey, endpoint, region string) error {
	if err := os.MkdirAll(filepath.Dir(s.config()), 0o700); err != nil {
		return fmt.Errorf("write the AWS profile: %w", err)
	}
	config := fmt.Sprintf("[profile %s]\nregion = %s\nendpoint_url = %s\noutput = json\n", profileName, region, endpoint)
	credentials := fmt.Sprintf("[%s]\naws_access_key_id = %s\naws_secret_access_key = %s\n", profileName, key.ID, key.Secret)
	for path, content := range map[string]string{s.config(): config, s.credentials(): credentials} {
		if err := replaceFile(path, content); err != nil {
			return fmt.Errorf("write the AWS profile: %w", err)
		}
	}
	return nil
}

// replaceFile puts a file in place whole or not at all.
func replaceFile(path, content string) error {
	next := path + ".new"
	if err := os.WriteFile(next, []byte(content), 0o600); err != nil {
		return err
	}
	return os.Rename(next, path)
}

// exports returns the shell lines that make clients use the profile.
func (s *state) exports() string {
	return strings.Join([]string{
		"export AWS_CONFIG_FILE=" + s.config(),
		"export AWS_SHARED_CREDENTIALS_FILE=" + s.credentials(),
		"export AWS_PROFILE=" + profileName,
	}, "\n")
}
