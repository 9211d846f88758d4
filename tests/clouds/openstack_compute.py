"""Nova's host with its fake hypervisor, which has room for many machines of the flavors that Chameleon has."""
from nova.cmd import compute  # first: it prepares the interpreter
from nova.virt import fake

fake.PredictableNodeUUIDDriver.vcpus = 128
fake.PredictableNodeUUIDDriver.memory_mb = 524288
fake.PredictableNodeUUIDDriver.local_gb = 8192
compute.main()
