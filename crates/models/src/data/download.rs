//! The full MNIST and Fashion-MNIST from public mirrors.
//!
//! With the feature `download`. The SHA-256 is that of the *uncompressed* files where it is known: mirrors may compress
//! them again.

use std::env;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use flate2::read::MultiGzDecoder;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressFinish, ProgressStyle};
use sha2::{Digest, Sha256};
use ureq::{Agent, Proxy};

use super::mnist::FILES;
use super::{DataError, Digits, Idx, RawMnist};

/// A published set of four files.
struct Published {
    mirrors: &'static [&'static str],
    /// Uncompressed lengths, and SHA-256, in the order of [`FILES`].
    contents: [(u64, &'static str); 4],
    /// `true` if the sums are those of the compressed files.
    packed: bool,
}

const MNIST: Published = Published {
    mirrors: &["https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"],
    contents: [
        (47_040_016, "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db"),
        (60_008, "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5"),
        (7_840_016, "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7"),
        (10_008, "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"),
    ],
    packed: false,
};

/// The sums are those that TensorFlow Datasets lists.
const FASHION: Published = Published {
    mirrors: &["http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"],
    contents: [
        (47_040_016, "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84"),
        (60_008, "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845"),
        (7_840_016, "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073"),
        (10_008, "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5"),
    ],
    packed: true,
};

impl RawMnist {
    /// The full MNIST, downloaded into the directory `cache` where it is not there yet.
    ///
    /// The files are checked by SHA-256 whenever they are read, downloaded again if damaged, and
    /// never left half-written. Progress goes to stderr if that is a terminal. Proxies are taken
    /// from `HTTPS_PROXY` and its like.
    ///
    /// ```no_run
    /// use ohmgrad_models::data::RawMnist;
    ///
    /// let mnist = RawMnist::download(RawMnist::default_cache_dir())?;
    /// assert_eq!(mnist.train.len(), 60_000);
    /// # Ok::<(), ohmgrad_models::data::DataError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// [`DataError::Mirrors`] has the error of each mirror; [`DataError::Io`] if `cache`
    /// cannot be written.
    pub fn download(cache: impl AsRef<Path>) -> Result<Self, DataError> {
        download(&agent(Proxy::try_from_env()), &MNIST, cache.as_ref())
    }

    /// The full Fashion-MNIST (Xiao et al. 2017), downloaded into the directory `cache` where it is not there yet. The
    /// directory must not be that of the digits, because the files have the same names. Otherwise as
    /// [`download`](Self::download).
    ///
    /// # Errors
    ///
    /// As [`download`](Self::download).
    pub fn download_fashion(cache: impl AsRef<Path>) -> Result<Self, DataError> {
        download(&agent(Proxy::try_from_env()), &FASHION, cache.as_ref())
    }

    /// `$OHMGRAD_DATA` if set, else `ohmgrad/mnist` in the user's cache directory
    /// (`$XDG_CACHE_HOME`, `~/.cache`, or `%LOCALAPPDATA%` on Windows).
    pub fn default_cache_dir() -> PathBuf {
        cache_dir(|name| env::var_os(name))
    }
}

fn cache_dir(variable: impl Fn(&str) -> Option<OsString>) -> PathBuf {
    let dir = |name: &str| variable(name).filter(|dir| !dir.is_empty()).map(PathBuf::from);
    if let Some(own) = dir("OHMGRAD_DATA") {
        return own;
    }
    let user = if cfg!(windows) {
        dir("LOCALAPPDATA")
    } else {
        // The XDG specification ignores relative paths.
        let xdg = dir("XDG_CACHE_HOME").filter(|dir| dir.is_absolute());
        xdg.or_else(|| Some(dir("HOME")?.join(".cache")))
    };
    user.unwrap_or_else(env::temp_dir).join("ohmgrad").join("mnist")
}

fn download(agent: &Agent, published: &Published, cache: &Path) -> Result<RawMnist, DataError> {
    let file = |i: usize| {
        let (len, sha256) = published.contents[i];
        let name = format!("{}.gz", FILES[i]);
        let remote = Remote { name: &name, len, sha256, packed: published.packed };
        let content = remote.get(agent, published.mirrors, cache)?;
        Idx::read(&content[..], cache.join(name))
    };
    let files = FILES.map(|file| cache.join(file));
    let digits = |x: usize, y: usize| Digits::check(file(x)?, file(y)?, [&files[x], &files[y]]);
    Ok(RawMnist { train: digits(0, 1)?, test: digits(2, 3)? })
}

/// A gzip file with its content's length and checksum.
struct Remote<'a> {
    name: &'a str,
    len: u64,
    sha256: &'a str,
    /// `true` if the sum is that of the compressed file.
    packed: bool,
}

impl Remote<'_> {
    /// The content, from `cache` or else from the first mirror that has it.
    fn get(&self, agent: &Agent, mirrors: &[&str], cache: &Path) -> Result<Vec<u8>, DataError> {
        let path = cache.join(self.name);
        let mut gz = Vec::new();
        let read = File::open(&path).and_then(|file| file.take(self.len + 1).read_to_end(&mut gz));
        if read.is_ok()
            && let Ok(content) = self.check(&gz, self.name)
        {
            return Ok(content);
        }
        let mut errors = Vec::new();
        for mirror in mirrors {
            let url = format!("{mirror}{}", self.name);
            let good = self.fetch(agent, &url).and_then(|gz| Ok((self.check(&gz, &url)?, gz)));
            match good {
                Ok((content, gz)) => return write(&path, &gz).map(|()| content),
                Err(error) => errors.push(error),
            }
        }
        Err(DataError::Mirrors { file: self.name.into(), errors })
    }

    /// The response of `url`, still compressed.
    fn fetch(&self, agent: &Agent, url: &str) -> Result<Vec<u8>, DataError> {
        let failed = |reason: String| DataError::Download { url: url.into(), reason };
        let body = agent.get(url).call().map_err(|e| failed(e.to_string()))?.into_body();
        let bar = progress(self.name, body.content_length());
        let mut gz = Vec::new();
        // No gzip file of these is longer than its content.
        let mut limited = bar.wrap_read(body.into_reader()).take(self.len + 1);
        limited.read_to_end(&mut gz).map_err(|e| failed(e.to_string()))?;
        if gz.len() as u64 > self.len {
            return Err(failed(format!("expected at most {} bytes, found more", self.len)));
        }
        Ok(gz)
    }

    /// Unpacks, no further than expected, and compares checksums.
    fn check(&self, gz: &[u8], url: &str) -> Result<Vec<u8>, DataError> {
        let damaged = |e| DataError::Download { url: url.into(), reason: format!("damaged gzip: {e}") };
        let mut content = Vec::new();
        MultiGzDecoder::new(gz).take(self.len + 1).read_to_end(&mut content).map_err(damaged)?;
        let found = sha256(if self.packed { gz } else { &content });
        if found != self.sha256 {
            let expected = self.sha256.into();
            return Err(DataError::Checksum { url: url.into(), expected, found });
        }
        Ok(content)
    }
}

/// A client that waits for slow connections, not for dead ones.
fn agent(proxy: Option<Proxy>) -> Agent {
    Agent::config_builder()
        .proxy(proxy)
        .timeout_connect(Some(Duration::from_secs(15)))
        .timeout_per_read(Some(Duration::from_secs(30)))
        .timeout_global(Some(Duration::from_secs(600)))
        .build()
        .new_agent()
}

/// A bar on stderr; indicatif hides it where that is not a terminal.
fn progress(name: &str, len: Option<u64>) -> ProgressBar {
    let style = "{msg} {wide_bar} {bytes}/{total_bytes} {bytes_per_sec}";
    ProgressBar::with_draw_target(len, ProgressDrawTarget::stderr())
        .with_style(ProgressStyle::with_template(style).expect("a valid template"))
        .with_message(name.to_owned())
        .with_finish(ProgressFinish::AndClear)
}

/// Writes a file as a whole or not at all.
fn write(path: &Path, bytes: &[u8]) -> Result<(), DataError> {
    let dir = path.parent().expect("a file in the cache directory");
    fs::create_dir_all(dir).map_err(DataError::io(dir))?;
    ohmgrad_files::replace(path, bytes).map_err(DataError::io(path))
}

/// The SHA-256 in hexadecimal digits.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead, BufReader, Write};
    use std::net::TcpListener;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::thread;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    const CONTENT: &[u8] = b"seven, two, one, zero, four, one, four, nine, five, nine";

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    /// A server on this machine which gives every request the same answer.
    struct Server {
        url: String,
        requests: Arc<AtomicUsize>,
    }

    impl Server {
        fn new(answer: Vec<u8>) -> Self {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let url = format!("http://{}/mnist/", listener.local_addr().unwrap());
            let requests = Arc::new(AtomicUsize::new(0));
            let count = requests.clone();
            thread::spawn(move || {
                for mut stream in listener.incoming().map(Result::unwrap) {
                    let request = BufReader::new(&stream).lines().map(Result::unwrap);
                    let head: Vec<_> = request.take_while(|line| !line.is_empty()).collect();
                    assert_eq!(head[0], "GET /mnist/digits.gz HTTP/1.1");
                    count.fetch_add(1, Ordering::SeqCst);
                    // The client may hang up on an answer that is too long.
                    let _ = stream.write_all(&answer);
                }
            });
            Server { url, requests }
        }

        /// A server of `body` that claims `len` bytes.
        fn saying(len: usize, body: &[u8]) -> Self {
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {len}\r\n\r\n");
            Self::new([head.as_bytes(), body].concat())
        }

        fn good() -> Self {
            let gz = gzip(CONTENT);
            Self::saying(gz.len(), &gz)
        }

        fn requests(&self) -> usize {
            self.requests.load(Ordering::SeqCst)
        }
    }

    fn get(servers: &[&Server], cache: &Path) -> Result<Vec<u8>, DataError> {
        let sum = sha256(CONTENT);
        let file = Remote { name: "digits.gz", len: 200, sha256: &sum, packed: false };
        let mirrors: Vec<_> = servers.iter().map(|server| &server.url[..]).collect();
        file.get(&agent(None), &mirrors, cache)
    }

    /// The error of one mirror; checks that the cache is empty after it.
    fn refusal(server: &Server) -> DataError {
        let dir = tempfile::tempdir().unwrap();
        let error = get(&[server], dir.path()).unwrap_err();
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let DataError::Mirrors { file, mut errors } = error else { panic!("{error:?}") };
        assert_eq!((&file[..], errors.len()), ("digits.gz", 1));
        errors.remove(0)
    }

    fn assert_download(error: &DataError, expected: &str) {
        let DataError::Download { reason, url } = error else { panic!("{error:?}") };
        assert!(reason.contains(expected), "{reason}");
        assert!(url.ends_with("/mnist/digits.gz"), "{url}");
    }

    #[test]
    fn a_file_is_fetched_once() {
        let dir = tempfile::tempdir().unwrap();
        let cache = dir.path().join("made/on/the/way");
        let server = Server::good();
        for _ in 0..2 {
            assert_eq!(get(&[&server], &cache).unwrap(), CONTENT);
        }
        assert_eq!(server.requests(), 1);
        assert_eq!(fs::read(cache.join("digits.gz")).unwrap(), gzip(CONTENT));
        assert_eq!(fs::read_dir(&cache).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_file_is_fetched_again() {
        let dir = tempfile::tempdir().unwrap();
        let server = Server::good();
        for damaged in [gzip(b"eight"), gzip(CONTENT)[..20].to_vec(), vec![]] {
            fs::write(dir.path().join("digits.gz"), damaged).unwrap();
            assert_eq!(get(&[&server], dir.path()).unwrap(), CONTENT);
            assert_eq!(fs::read(dir.path().join("digits.gz")).unwrap(), gzip(CONTENT));
        }
        assert_eq!(server.requests(), 3);
    }

    #[test]
    fn the_next_mirror_helps() {
        let dir = tempfile::tempdir().unwrap();
        let gone = Server::new(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_vec());
        let good = Server::good();
        assert_eq!(get(&[&gone, &good], dir.path()).unwrap(), CONTENT);
        assert_eq!((gone.requests(), good.requests()), (1, 1));
        assert_download(&refusal(&gone), "404");
    }

    #[test]
    fn another_content_is_refused() {
        let gz = gzip(b"eight");
        let error = refusal(&Server::saying(gz.len(), &gz));
        let DataError::Checksum { url, expected, found } = error else { panic!("{error:?}") };
        assert!(url.ends_with("/mnist/digits.gz"), "{url}");
        assert_eq!((expected, found), (sha256(CONTENT), sha256(b"eight")));
    }

    #[test]
    fn a_download_that_breaks_off_is_refused() {
        let gz = gzip(CONTENT);
        let short = &gz[..gz.len() / 2];
        assert_download(&refusal(&Server::saying(gz.len(), short)), "disconnected");
        // Without a length, only the content shows it.
        let silent = Server::new([&b"HTTP/1.1 200 OK\r\n\r\n"[..], short].concat());
        assert_download(&refusal(&silent), "damaged gzip");
    }

    #[test]
    fn no_more_is_read_than_a_good_file_can_have() {
        let long = Server::saying(1_000_000, &vec![b' '; 1_000_000]);
        assert_download(&refusal(&long), "expected at most 200 bytes, found more");
        let bomb = gzip(&[0; 50_000]);
        let error = refusal(&Server::saying(bomb.len(), &bomb));
        assert!(matches!(&error, DataError::Checksum { found, .. } if *found == sha256(&[0; 201])));
    }

    #[test]
    fn the_operating_system_is_quoted() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("file");
        fs::write(&file, "").unwrap();
        let error = get(&[&Server::good()], &file).unwrap_err();
        assert!(matches!(&error, DataError::Io { path, .. } if *path == file), "{error:?}");
    }

    #[test]
    fn a_sum_may_be_that_of_the_compressed_file() {
        let gz = gzip(CONTENT);
        let check = |sha256: &str| Remote { name: "digits.gz", len: 200, sha256, packed: true }.check(&gz[..], "here");
        assert_eq!(check(&sha256(&gz)).unwrap(), CONTENT);
        assert!(matches!(check(&sha256(CONTENT)), Err(DataError::Checksum { .. })));
    }

    #[cfg(unix)]
    #[test]
    fn others_may_read_the_cache() {
        use std::os::unix::fs::PermissionsExt;
        let dir = tempfile::tempdir().unwrap();
        let mode = |name: &str| dir.path().join(name).metadata().unwrap().permissions().mode();
        write(&dir.path().join("ours"), b"").unwrap();
        fs::write(dir.path().join("usual"), b"").unwrap();
        assert_eq!(mode("ours"), mode("usual"));
    }

    /// The embedded test set is the published one, compressed again.
    #[test]
    fn published_sums_are_those_of_the_embedded_test_set() {
        for (i, gz) in [
            (2, &include_bytes!("../../data/mnist/t10k-images-idx3-ubyte.gz")[..]),
            (3, &include_bytes!("../../data/mnist/t10k-labels-idx1-ubyte.gz")[..]),
        ] {
            let (len, sha256) = MNIST.contents[i];
            let content = Remote { name: FILES[i], len, sha256, packed: false }.check(gz, FILES[i]).unwrap();
            assert_eq!(content.len() as u64, len);
        }
    }

    #[cfg(not(windows))]
    #[test]
    fn the_cache_is_where_the_user_wants_it() {
        let dir = |set: &[(&str, &str)]| {
            cache_dir(|name| set.iter().find(|(n, _)| *n == name).map(|(_, value)| value.into()))
        };
        let home = ("HOME", "/home/ada");
        let xdg = ("XDG_CACHE_HOME", "/scratch");
        assert_eq!(dir(&[home]), Path::new("/home/ada/.cache/ohmgrad/mnist"));
        assert_eq!(dir(&[home, xdg]), Path::new("/scratch/ohmgrad/mnist"));
        assert_eq!(dir(&[home, ("XDG_CACHE_HOME", "odd")]), dir(&[home]));
        assert_eq!(dir(&[home, xdg, ("OHMGRAD_DATA", "here")]), Path::new("here"));
        assert_eq!(dir(&[home, xdg, ("OHMGRAD_DATA", "")]), dir(&[xdg]));
        assert!(dir(&[]).ends_with("ohmgrad/mnist"));
    }
}
