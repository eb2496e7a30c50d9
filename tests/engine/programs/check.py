import ctypes, pwd, sqlite3, ssl, subprocess, sys

context = ssl.create_default_context()
database = sqlite3.connect("/tmp/database")
database.execute("create table t as select 42 as a")
answer = database.execute("select a from t").fetchone()[0]
libc = ctypes.CDLL("libc.so.6")
try:
    subprocess.check_output("true", shell=True)
    shell = "a shell"
except (FileNotFoundError, subprocess.CalledProcessError):
    # The second under QEMU, where a child cannot tell its parent why it could not start.
    shell = "no shell"
print("python", len(context.get_ca_certs()) > 100, answer, libc.abs(-7), pwd.getpwuid(65532).pw_name, shell, sys.stdout.encoding)
