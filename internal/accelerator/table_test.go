// Copyright The Workspace Operator Authors.
// SPDX-License-Identifier: Apache-2.0

package accelerator_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/workspace-operator/workspace-operator/api/v1beta1"
	"github.com/workspace-operator/workspace-operator/internal/accelerator"
	"github.com/workspace-operator/workspace-operator/internal/outcome"
)

const gib = 1 << 30

func builtin(t testing.TB) accelerator.Table {
	t.Helper()
	table, err := accelerator.Default()
	if err != nil {
		t.Fatal(err)
	}
	return table
}

// group is one cell of the tables of KAITO v0.7.2: memory is the node's, in GiB.
type group struct {
	names     string
	vendor    accelerator.Vendor
	model     string
	count     int
	memory    int64
	nvme      bool
	supported bool
}

func TestTables(t *testing.T) {
	t.Parallel()
	table := builtin(t)
	total := 0
	for cloud, groups := range map[string][]group{"azure": azure(), "aws": aws(), "arc": arc()} {
		rows := 0
		for _, g := range groups {
			for name := range strings.FieldsSeq(g.names) {
				rows++
				checkRow(t, table, cloud, name, g)
			}
		}
		want := map[string]int{"azure": 29, "aws": 59, "arc": 10}[cloud]
		if rows != want {
			t.Errorf("%s: the test has %d rows, KAITO has %d", cloud, rows, want)
		}
		total += rows
	}
	if got := len(table.Names()); got != total {
		t.Errorf("the tables have %d names, the test %d", got, total)
	}
}

func checkRow(t *testing.T, table accelerator.Table, cloud, name string, g group) {
	t.Helper()
	for _, spelling := range []string{name, strings.ToLower(name), strings.ToUpper(name)} {
		got, ok := table.Lookup(spelling)
		if !ok {
			t.Errorf("%s is missing", spelling)
			return
		}
		resource := ""
		if g.vendor == accelerator.VendorNVIDIA {
			resource = accelerator.NVIDIAResource
		}
		arch := "amd64"
		if g.model == "T4G" {
			arch = "arm64"
		}
		want := accelerator.InstanceType{
			Name: got.Name, Cloud: cloud, NVMe: g.nvme, Arch: arch,
			Accelerator: accelerator.Accelerator{
				Vendor: g.vendor, Model: g.model, Count: g.count, MemoryPerGPU: g.memory * gib / int64(g.count), ResourceName: resource,
			},
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", spelling, diff)
		}
		if err := got.CheckSupported(); (err == nil) != g.supported {
			t.Errorf("%s: supported %t, have %v", name, g.supported, err)
		}
	}
}

func azure() []group {
	const nvidia, amd = accelerator.VendorNVIDIA, accelerator.VendorAMD
	return []group{
		{"Standard_NC6s_v3", nvidia, "V100", 1, 16, false, true},
		{"Standard_NC12s_v3", nvidia, "V100", 2, 32, false, true},
		{"Standard_NC24s_v3 Standard_NC24rs_v3", nvidia, "V100", 4, 64, false, true},
		{"Standard_NC4as_T4_v3 Standard_NC8as_T4_v3 Standard_NC16as_T4_v3", nvidia, "T4", 1, 16, false, true},
		{"Standard_NC64as_T4_v3", nvidia, "T4", 4, 64, false, true},
		{"Standard_NV36ads_A10_v5", nvidia, "A10", 1, 24, false, true},
		{"Standard_NV72ads_A10_v5", nvidia, "A10", 2, 48, false, true},
		{"Standard_NC24ads_A100_v4", nvidia, "A100", 1, 80, true, true},
		{"Standard_NC48ads_A100_v4", nvidia, "A100", 2, 160, true, true},
		{"Standard_NC96ads_A100_v4", nvidia, "A100", 4, 320, true, true},
		{"Standard_ND96asr_A100_v4", nvidia, "A100", 8, 320, false, true},
		{"Standard_ND96amsr_A100_v4", nvidia, "A100", 8, 640, true, true},
		{"Standard_NC40ads_H100_v5", nvidia, "H100", 1, 94, true, true},
		{"Standard_NC80adis_H100_v5", nvidia, "H100", 2, 188, true, true},
		{"Standard_NCC40ads_H100_v5", nvidia, "H100", 1, 94, false, true},
		{"Standard_ND96isr_H100_v5", nvidia, "H100", 8, 640, true, true},
		{"Standard_ND96isr_H200_v5", nvidia, "H200", 8, 1128, true, true},
		{"Standard_NG32ads_V620_v1 Standard_NG32adms_V620_v1", amd, "Radeon-PRO-V620", 1, 32, false, false},
		{"Standard_NV6 Standard_NV12s_v3", nvidia, "M60", 1, 8, false, false},
		{"Standard_NV12 Standard_NV24s_v3", nvidia, "M60", 2, 16, false, false},
		{"Standard_NV24 Standard_NV48s_v3", nvidia, "M60", 4, 32, false, false},
		{"Standard_NV32as_v4", amd, "Radeon-Instinct-MI25", 1, 16, false, false},
	}
}

func aws() []group {
	const nvidia, amd, own = accelerator.VendorNVIDIA, accelerator.VendorAMD, accelerator.VendorAWS
	return []group{
		{"p2.xlarge", nvidia, "K80", 1, 12, false, false},
		{"p2.8xlarge", nvidia, "K80", 8, 96, false, false},
		{"p2.16xlarge", nvidia, "K80", 16, 192, false, false},
		{"p3.2xlarge", nvidia, "V100", 1, 16, false, true},
		{"p3.8xlarge", nvidia, "V100", 4, 64, false, true},
		{"p3.16xlarge", nvidia, "V100", 8, 128, false, true},
		{"p3dn.24xlarge", nvidia, "V100", 8, 256, false, true},
		{"p4d.24xlarge", nvidia, "A100", 8, 320, true, true},
		{"p4de.24xlarge", nvidia, "A100", 8, 640, true, true},
		{"p5.48xlarge", nvidia, "H100", 8, 640, true, true},
		{"p5e.48xlarge p5en.48xlarge", nvidia, "H200", 8, 1128, true, true},
		{"g6.xlarge g6.2xlarge g6.4xlarge g6.8xlarge g6.16xlarge gr6.4xlarge gr6.8xlarge", nvidia, "L4", 1, 24, true, true},
		{"g6.12xlarge g6.24xlarge", nvidia, "L4", 4, 96, true, true},
		{"g6.48xlarge", nvidia, "L4", 8, 192, true, true},
		{"g5.xlarge g5.2xlarge g5.4xlarge g5.8xlarge g5.16xlarge", nvidia, "A10G", 1, 24, true, true},
		{"g5.12xlarge g5.24xlarge", nvidia, "A10G", 4, 96, true, true},
		{"g5.48xlarge", nvidia, "A10G", 8, 192, true, true},
		{"g5g.xlarge g5g.2xlarge g5g.4xlarge g5g.8xlarge", nvidia, "T4G", 1, 16, false, true},
		{"g5g.16xlarge g5g.metal", nvidia, "T4G", 2, 32, false, true},
		{"g4dn.xlarge g4dn.2xlarge g4dn.4xlarge g4dn.8xlarge g4dn.16xlarge", nvidia, "T4", 1, 16, true, true},
		{"g4dn.12xlarge", nvidia, "T4", 4, 64, true, true},
		{"g4dn.metal", nvidia, "T4", 8, 128, true, true},
		{"g4ad.xlarge g4ad.2xlarge g4ad.4xlarge", amd, "Radeon-Pro-V520", 1, 8, true, false},
		{"g4ad.8xlarge", amd, "Radeon-Pro-V520", 2, 16, true, false},
		{"g4ad.16xlarge", amd, "Radeon-Pro-V520", 4, 32, true, false},
		// KAITO's spelling of the last three; TestAliases has AWS's own.
		{"g3s.xlarge g3s.4xlarge", nvidia, "M60", 1, 8, false, false},
		{"g3s.8xlarge", nvidia, "M60", 2, 16, false, false},
		{"g3s.16xlarge", nvidia, "M60", 4, 32, false, false},
		{"trn1.2xlarge", own, "Trainium", 1, 32, true, false},
		{"trn1.32xlarge trn1n.32xlarge", own, "Trainium", 16, 512, true, false},
		{"inf2.xlarge inf2.8xlarge", own, "Inferentia2", 1, 32, false, false},
		{"inf2.24xlarge", own, "Inferentia2", 6, 192, false, false},
		{"inf2.48xlarge", own, "Inferentia2", 12, 384, false, false},
	}
}

func arc() []group {
	const nvidia = accelerator.VendorNVIDIA
	return []group{
		{"Standard_NK6", nvidia, "T4", 1, 8, false, true},
		{"Standard_NK12", nvidia, "T4", 2, 16, false, true},
		{"Standard_NC4_A2 Standard_NC8_A2", nvidia, "A2", 1, 16, false, true},
		{"Standard_NC16_A2 Standard_NC32_A2", nvidia, "A2", 2, 32, false, true},
		{"Standard_NC4_A16 Standard_NC8_A16", nvidia, "A16", 1, 16, false, true},
		{"Standard_NC16_A16 Standard_NC32_A16", nvidia, "A16", 2, 32, false, true},
	}
}

func TestAliases(t *testing.T) {
	t.Parallel()
	table := builtin(t)
	for alias, want := range map[string]string{
		"g3s.4xlarge": "g3.4xlarge", "g3s.8xlarge": "g3.8xlarge", "G3S.16xlarge": "g3.16xlarge", "g3.4xlarge": "g3.4xlarge",
		"standard_nc24ads_a100_v4": "Standard_NC24ads_A100_v4",
	} {
		got, _ := table.Lookup(alias)
		if diff := cmp.Diff(want, got.Name); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", alias, diff)
		}
	}
	if got, ok := table.Lookup("Standard_D4s_v5"); ok {
		t.Errorf("a type without GPU: %+v", got)
	}
}

func TestNearest(t *testing.T) {
	t.Parallel()
	table := builtin(t)
	for name, want := range map[string][]string{
		"Standard_NC24ads_A100_v5": {"Standard_NC24ads_A100_v4", "Standard_NC40ads_H100_v5", "Standard_NC48ads_A100_v4"},
		"g5.4xlage":                {"g5.4xlarge", "g3.4xlarge", "g5.24xlarge"},
		"n1-standard-4":            {},
	} {
		if diff := cmp.Diff(want, table.Nearest(name)); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}

func TestUnsupportedSaysWhy(t *testing.T) {
	t.Parallel()
	table := builtin(t)
	for name, want := range map[string]string{
		"trn1.2xlarge":       "instance type trn1.2xlarge has AWS Trainium: the vLLM image needs NVIDIA GPUs; choose another instanceType",
		"Standard_NV32as_v4": "instance type Standard_NV32as_v4 has AMD Radeon-Instinct-MI25: the vLLM image needs NVIDIA GPUs; choose another instanceType",
		"g3s.4xlarge":        "instance type g3.4xlarge has NVIDIA M60: vLLM needs a GPU of compute capability 7.0 or higher; choose another instanceType",
	} {
		instance, _ := table.Lookup(name)
		terminal, ok := errors.AsType[*outcome.Terminal](instance.CheckSupported())
		if !ok || terminal.Reason != v1beta1.ReasonUnsupportedInstance {
			t.Errorf("%s: have %v", name, terminal)
			continue
		}
		if diff := cmp.Diff(want, terminal.Error()); diff != "" {
			t.Errorf("%s, want -, got +:\n%s", name, diff)
		}
	}
}
