"""What podtick can see on a machine and what not: one function a check, each returns a finding."""
