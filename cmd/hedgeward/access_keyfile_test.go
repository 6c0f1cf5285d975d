// SPDX-License-Identifier: Apache-2.0

package main

import (
	"os"
	"strings"
	"testing"
)

func TestKeyFile(t *testing.T) {
	st := &state{dir: t.TempDir()}
	first, err := openSeal(st.keyFile(), makeKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(st.keyFile())
	if err != nil || info.Mode().Perm() != 0o600 || info.Size() != 32 {
		t.Fatalf("%v, %v", info, err)
	}
	sealed := first.Close("test", []byte("secret"))
	again, err := openSeal(st.keyFile(), makeKeyFile)
	if err != nil {
		t.Fatal(err)
	}
	if plain, err := again.Open("test", sealed); err != nil || string(plain) != "secret" {
		t.Errorf("the next start has another key: %q, %v", plain, err)
	}
	if err := os.Chmod(st.keyFile(), 0o640); err != nil {
		t.Fatal(err)
	}
	if _, err := openSeal(st.keyFile(), makeKeyFile); err == nil || !strings.Contains(err.Error(), "chmod 600") {
		t.Errorf("readable for others: %v", err)
	}
	if err := os.WriteFile(st.keyFile(), []byte("short"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(st.keyFile(), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openSeal(st.keyFile(), makeKeyFile); err == nil || !strings.Contains(err.Error(), "is damaged") {
		t.Errorf("damaged: %v", err)
	}
}
