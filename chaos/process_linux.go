package main

import "syscall"

// dieWithParent makes the kernel kill the child when we die. pgtemp says more.
func dieWithParent(attr *syscall.SysProcAttr) { attr.Pdeathsig = syscall.SIGKILL }
