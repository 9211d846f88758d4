//! A way through which a server is reached, and which can be cut as a network is: nothing is refused, nothing arrives.

use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

pub struct Gate {
    pub address: SocketAddr,
    cut: watch::Sender<bool>,
    runtime: Option<tokio::runtime::Runtime>,
}

impl Gate {
    /// Opens a way to a server that may not be there yet.
    pub fn to(server: SocketAddr) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let (cut, is_cut) = watch::channel(false);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(join(client, server, is_cut.clone()));
            }
        });
        Self {
            address,
            cut,
            runtime: Some(runtime),
        }
    }

    pub fn set_cut(&self, cut: bool) {
        self.cut.send_replace(cut);
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

async fn join(client: TcpStream, server: SocketAddr, mut is_cut: watch::Receiver<bool>) {
    // An end of either side ends both: there is nothing to be told to a side that went.
    let _ = is_cut.wait_for(|cut| !cut).await;
    let Ok(server) = TcpStream::connect(server).await else {
        return;
    };
    // As the servers and clients behind it do: or the last piece of what is passed on waits for 40 ms.
    if client.set_nodelay(true).is_err() || server.set_nodelay(true).is_err() {
        return;
    }
    let (client_reads, client_writes) = client.into_split();
    let (server_reads, server_writes) = server.into_split();
    tokio::select! {
        () = copy(client_reads, server_writes, is_cut.clone()) => {}
        () = copy(server_reads, client_writes, is_cut) => {}
    }
}

async fn copy(
    mut from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    mut is_cut: watch::Receiver<bool>,
) {
    let mut bytes = vec![0; 64 * 1024];
    while let Ok(size @ 1..) = from.read(&mut bytes).await {
        if is_cut.wait_for(|cut| !cut).await.is_err() || to.write_all(&bytes[..size]).await.is_err()
        {
            return;
        }
    }
}
